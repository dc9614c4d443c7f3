//! Proxies between the program and the two servers in one run.

use std::collections::HashMap;

use anyhow::Result;
use test_cluster::{
    listener::faulty::{ConnectionFault, Fault, FaultyProxy, Plan, Side},
    program::Program,
    registry::OPENSHIFT,
};

use crate::{
    promises::Calls,
    situation::{Setting, Situation},
    world::{Prepared, World},
};

/// The two proxies of one run.
pub struct Proxies {
    api: FaultyProxy,
    registry: FaultyProxy,
}

impl Proxies {
    /// Starts both; without a plan for one of them nothing fails but what the setting has.
    ///
    /// # Errors
    /// If the system gives no port.
    pub fn start(
        world: &World,
        setting: Setting,
        planned: Option<(Side, Plan)>,
        prepared: &Prepared,
    ) -> Result<Self> {
        let plan = |side| match &planned {
            Some((planned, plan)) if *planned == side => plan.clone(),
            _ if side == Side::Registry && setting.reviewed => {
                Plan::none().lasting(1, Fault::Connection(ConnectionFault::UnknownAuthority))
            }
            _ => Plan::none(),
        };
        let (api, registry) = (plan(Side::ApiServer), plan(Side::Registry));
        let api = world.proxy(
            Side::ApiServer,
            api,
            prepared.earlier.clone(),
            std::future::ready(()),
        )?;
        // The review of the other permissions runs concurrently with the registry's requests. If the API server reviews
        // the credential next, calls must come one after the other to be counted. A stored token that is kept or set again is
        // not reviewed for permissions.
        let matches = setting.reviewed && !matches!(setting.situation, Situation::Steady | Situation::Repair);
        let asked = api.after(|call| call.target.contains("/selfsubjectrulesreviews"));
        let opens = async move {
            if matches {
                asked.await;
            }
        };
        let registry = world.proxy(Side::Registry, registry, HashMap::new(), opens)?;
        Ok(Self { api, registry })
    }

    /// Both, as they are.
    pub fn of([api, registry]: [FaultyProxy; 2]) -> Self {
        Self { api, registry }
    }

    /// The program, for which the proxies are the servers.
    pub fn lead(&self, program: Program) -> Program {
        program
            .env("KUBERNETES_SERVICE_PORT", self.api.address().port().to_string())
            .env(
                "PULL_SECRET_CONNECT_TO",
                format!("{OPENSHIFT}={}", self.registry.address()),
            )
    }

    /// Ends when a call has had this fault, and the server has done its work if it had the request.
    pub fn occurred(&self, side: Side, fault: Fault) -> impl Future<Output = ()> + Send + use<> {
        let proxy = match side {
            Side::ApiServer => &self.api,
            Side::Registry => &self.registry,
        };
        proxy.after(move |call| call.fault == Some(fault))
    }

    /// Resets the connections of the calls that hang.
    pub fn let_go(&self) {
        self.api.let_go();
        self.registry.let_go();
    }

    /// Requests to the servers so far.
    pub fn calls(&self) -> Calls {
        Calls {
            api: self.api.calls(),
            registry: self.registry.calls(),
        }
    }
}
