//! What the tests on a node start from: a namespace, the user's own kustomization applied into it, a model's image.

mod kubectl;
mod model;
mod program_image;
mod task_run;
mod waiting;
mod world;

pub use self::{
    kubectl::Kubectl,
    model::{Model, pull, unwrapped},
    task_run::{TaskRun, TaskRunStatus},
    waiting::{PATIENCE, eventually},
    world::{PULLER, RUNNER, SECRET, World, free_address},
};
