//! Start of the tests on a node: a namespace, the user's own kustomization applied to it, a model's image.

mod kubectl;
mod model;
mod pushed_image;
mod reader;
mod readme;
mod sample;
mod task_run;
mod waiting;
mod world;

pub use test_cluster::registry::OPENSHIFT;

pub use self::{
    kubectl::Kubectl,
    model::{Model, pull, unwrapped},
    pushed_image::{PushedImage, program_image, push_layout},
    reader::{Reader, blocks_of},
    readme::{Block, blocks, output_of, script},
    sample::{set_param, set_variable},
    task_run::{TaskRun, TaskRunStatus},
    waiting::{PATIENCE, eventually},
    world::{ALL, PULLER, RUNNER, SECRET, World, free_address, install, manifests},
};
