//! The reader board's program: it picks the parts, reads the configuration and wires them.
//!
//! It decides nothing itself: the board's rules are [`gettone_core::board`], the machine's
//! [`gettone_mdb::cashless`], the light's [`gettone_optical`]. It never logs a secret, never
//! approves a vend whose INTENT is not on flash, and settles nothing: it reports facts.
//!
//! ```
//! let code = gettone_reader::main_with(["gettone-reader", "--version"].map(Into::into).into_iter());
//! assert_eq!(format!("{code:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
//! ```

mod air;
mod audit;
mod bus;
mod capture;
mod care;
mod cli;
mod config;
mod enrol;
mod enrolment;
mod face;
mod hub;
mod identity;
mod installer;
mod journal;
mod keys;
mod launch;
mod light;
mod news;
mod page;
mod prices;
mod program;
mod radio;
mod release;
mod renewal;
mod report;
mod road;
mod self_test;
mod servers;
mod sign;
mod status;
mod surface;
mod token;
mod trace;
mod trial;
mod uptime;

pub use air::Air;
pub use bus::{Reflex, Saying, use_real_time};
pub use cli::main_with;
pub use config::{CONFIG_PATH, Config, ConfigFault, LightSource, SourceFault};
pub use enrolment::EnrolmentFault;
pub use hub::HubFault;
pub use identity::{Identity, IdentityFault, Tenancy};
pub use journal::{Directory, Disk, JOURNAL_LEN_MAX, Journal, JournalFault, Opening, Repair};
pub use news::{News, NewsReceiver, NewsSender, Unheard, way};
pub use page::{Ending, ResultPage};
pub use prices::{PriceFault, Prices};
pub use program::{RunFault, run};
pub use release::{ReleaseFault, ReleaseKey};
pub use road::{RoadPlace, RoadUrl, RoadUrlFault};
pub use uptime::Uptime;
