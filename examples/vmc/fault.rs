//! Why the machine cannot go on.

use std::path::PathBuf;

use gettone_mdb::link::LinkFault;

use crate::script::STEPS_MAX;
use crate::step::Step;

/// Why the machine cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmcFault {
    #[error("the link")]
    Link(#[from] LinkFault),
    #[error("the socket {path}")]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0:?} is no amount of {1} decimals")]
    Amount(String, u8),
    #[error("{0:?} is no price list: write ITEM=PRICE, several of them with commas")]
    Prices(String),
    #[error("{0:?} is no step; --help lists them")]
    Step(String),
    #[error("a script has at most {STEPS_MAX} steps")]
    LongScript,
    #[error("the script {path}")]
    Script {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("line {line} of the script")]
    Line {
        line: usize,
        #[source]
        fault: Box<VmcFault>,
    },
    #[error("the audit {path}")]
    Audit {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("an audit on the bus has at most 7,905 bytes")]
    LongAudit,
    #[error("{0:?} did not come about in {1} s")]
    Stuck(Step, u64),
}
