//! Rows that take more than one request: each scenario is a test, and rows name it.

mod outages;
mod pushing;
mod tokens;

macro_rules! scenarios {
    ($($module:ident: $($name:ident),+;)+) => {
        /// The scenarios that rows may name.
        pub const NAMES: &[&str] = &[$($(stringify!($name)),+),+];

        $($(
            #[tokio::test]
            async fn $name() {
                $module::$name(crate::world::World::shared()).await;
            }
        )+)+
    };
}

scenarios! {
    tokens:
        service_account_deleted_after_use, service_account_deleted_before_use, service_account_recreated,
        secret_deleted_after_use, secret_deleted_before_use, secret_recreated, role_binding_made_and_removed;
    pushing:
        skopeo_pushes_as_pusher, skopeo_makes_a_stream_as_builder, skopeo_pulls_as_puller_alone, skopeo_logs_in_with_any_token,
        skopeo_reads_authfile_variants;
    outages:
        plain_http_to_the_tls_port, api_server_frozen_for_a_while, api_server_starting, images_out_of_reach;
}
