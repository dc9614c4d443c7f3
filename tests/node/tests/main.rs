//! The three ways in, on a real kubelet with containerd and Tekton's own controller.

mod incident;
