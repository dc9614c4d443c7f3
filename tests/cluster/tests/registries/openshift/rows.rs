//! The rows, as they are written down.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

const FILES: [&str; 8] = [
    include_str!("../../../src/registry/openshift-rows/base.json"),
    include_str!("../../../src/registry/openshift-rows/dying-tokens.json"),
    include_str!("../../../src/registry/openshift-rows/token.json"),
    include_str!("../../../src/registry/openshift-rows/repositories.json"),
    include_str!("../../../src/registry/openshift-rows/rules.json"),
    include_str!("../../../src/registry/openshift-rows/odd-backends.json"),
    include_str!("../../../src/registry/openshift-rows/push-and-pull.json"),
    include_str!("../../../src/registry/openshift-rows/outages.json"),
];

/// One observation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// In words.
    pub row: String,
    /// Requests, `METHOD path`; each gets the answer.
    #[serde(default)]
    pub ask: Vec<String>,
    /// Accounts of the token `{T}`; each gets the response.
    #[serde(default)]
    pub r#as: Vec<String>,
    /// Forms of the credential; each gets the response.
    #[serde(default = "basic")]
    pub with: Vec<Authorization>,
    /// Accept headers by name; each gets the answer.
    #[serde(default = "all_media_types")]
    pub accept: Vec<String>,
    /// States of the API server; each gets the response.
    #[serde(default = "well")]
    pub api_server: Vec<ApiServerState>,
    /// A Role of the account `holder of the rule`, in a project of this row.
    pub rules: Option<Value>,
    /// A group that may pull, in a project of this row.
    pub bound_group: Option<String>,
    /// The API server's answers to forms of the access review.
    #[serde(default)]
    pub review: BTreeMap<String, bool>,
    answer: Option<Expected>,
    pub scenario: Option<String>,
    left_out: Option<String>,
}

/// An Authorization header before placeholders are filled in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    None,
    Header(String),
    Basic(String),
    BasicInCapitals(String),
    BasicUnpadded(String),
    BasicUrlSafe(String),
}

/// The API server during a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ApiServerState {
    /// `well`, `gone`, `frozen` or `resets`.
    Named(String),
    /// It responds to a review, `self` or `access`, with an error.
    Answers {
        review: String,
        status: u16,
        retry_after: Option<u64>,
        requests: Option<usize>,
    },
}

/// The answer, as far as the row knows it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub status: u16,
    pub challenge: Option<String>,
    /// The empty string means no body and no content type.
    pub body: Option<Value>,
    pub code: Option<String>,
    #[serde(default)]
    pub any_code: bool,
    pub message: Option<String>,
    pub detail: Option<Value>,
    #[serde(default)]
    pub without_detail: bool,
    #[serde(default)]
    pub detail_members: Vec<String>,
    pub content_type: Option<String>,
    pub digest: Option<String>,
    pub location: Option<String>,
    /// The answer doesn't come earlier.
    pub after_seconds: Option<u64>,
}

/// Test of a row.
pub enum Play<'a> {
    Asked(&'a Expected),
    Scenario(&'a str),
    LeftOut(&'a str),
}

impl Row {
    pub fn play(&self) -> Result<Play<'_>, &'static str> {
        match (&self.answer, &self.scenario, &self.left_out) {
            (Some(answer), None, None) => Ok(Play::Asked(answer)),
            (None, Some(name), None) => Ok(Play::Scenario(name)),
            (None, None, Some(reason)) => Ok(Play::LeftOut(reason)),
            (None, None, None) => Err("neither a case nor a reason"),
            _ => Err("more than one of answer, scenario and left_out"),
        }
    }

    pub fn needs_a_stage_of_its_own(&self) -> bool {
        self.rules.is_some() || self.bound_group.is_some()
    }
}

pub fn rows() -> Vec<Row> {
    FILES
        .iter()
        .flat_map(|file| serde_json::from_str::<Vec<Row>>(file).expect("a file of rows"))
        .collect()
}

fn basic() -> Vec<Authorization> {
    vec![Authorization::Basic("<token>:{T}".to_owned())]
}

fn all_media_types() -> Vec<String> {
    vec!["all".to_owned()]
}

fn well() -> Vec<ApiServerState> {
    vec![ApiServerState::Named("well".to_owned())]
}
