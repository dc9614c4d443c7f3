//! The three ways in, on a real kubelet with containerd and Tekton's own controller.

mod credential;
mod cron_job;
mod incident;
mod limits;
mod messages;
mod restricted;
