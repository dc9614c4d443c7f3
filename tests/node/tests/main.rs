//! The three ways in, on a real kubelet with containerd and Tekton's own controller.

mod credential;
mod cron_job;
mod escalation;
mod incident;
mod limits;
mod messages;
mod pipeline;
mod readme;
mod recreated;
mod restricted;
mod samples;
