//! Every case of the store's contract on every selected store.

use roster_tests::conformance;
use roster_tests::stores::{fresh, selected};

macro_rules! run_on_every_store {
    ($($module:ident: $($case:ident)+;)+) => {$(
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    for name in super::selected() {
                        println!("on {name}");
                        super::conformance::$module::$case(&super::fresh(name).await).await;
                    }
                }
            )+
        }
    )+};
}

roster_tests::conformance_cases!(run_on_every_store);
