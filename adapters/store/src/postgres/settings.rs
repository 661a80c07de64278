use crate::bounds::WAIT_MAX;
use core::fmt;
use core::time::Duration;
use gettone_core::port::StoreFault;
use gettone_core::record::FORMAT;
use postgres::Config;
use postgres::config::{Host, SslMode, TargetSessionAttrs};
use std::io::{self, ErrorKind};

/// How a journal in PostgreSQL is kept.
#[derive(Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    /// Which journal of that database.
    pub partition: u16,
    /// What the payloads are written in; a partition of another format is refused.
    pub format: u32,
    /// Whether a server without a synchronous standby will do.
    pub standby: Standby,
    /// What to do when another node holds the partition.
    pub takeover: Takeover,
    /// How long to wait for another node to let go of the partition, and for any lock.
    pub lease_wait: Duration,
    /// How long the server may work on one statement. Its commit is not counted.
    pub statement_max: Duration,
    /// How long to go on trying when the server cannot be reached or asks to try again.
    pub patience: Duration,
}

/// Whether a server without a synchronous standby will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standby {
    /// It will not: every commit waits for a standby, so that losing one server loses nothing.
    #[default]
    Required,
    /// It will: this one server and its disk are all there is.
    Single,
}

/// What to do when another node holds the partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Takeover {
    /// Leave it to that node: opening fails, unless its connection is gone.
    #[default]
    WhenFree,
    /// Depose it: its next append fails as a whole.
    AtOnce,
}

impl PostgresSettings {
    /// Reads where the server is, as `host=/run/postgresql user=gettone dbname=gettone` or as
    /// `postgresql://gettone@localhost/gettone`. With several hosts, the one that takes writes is
    /// used, also after a failover.
    ///
    /// # Errors
    /// `Io` when that does not parse, names no server, or asks for what is not built in.
    pub fn parse(server: &str) -> Result<Self, StoreFault> {
        let mut config: Config = server
            .parse()
            .map_err(|fault: postgres::Error| invalid(super::link::told(&fault)))?;
        let is_named = !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty();
        if !is_named || config.get_user().is_none() {
            return Err(invalid(
                "it names no host or no user; write host=.. user=.. dbname=..".to_owned(),
            ));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(invalid(
                "TLS is not built in: use a Unix socket or a tunnel to the server".to_owned(),
            ));
        }
        // What is merely preferred would silently not happen.
        if config.get_ssl_mode() != SslMode::Disable && !is_on_this_machine(&config) {
            return Err(invalid(
                "what is kept there would cross the network in clear text: use a Unix socket or a \
                 tunnel, or accept it with sslmode=disable"
                    .to_owned(),
            ));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(10));
        }
        // A server whose machine is gone says nothing at all.
        config
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3)
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self {
            config,
            partition: 0,
            format: FORMAT,
            standby: Standby::default(),
            takeover: Takeover::default(),
            lease_wait: Duration::from_secs(2),
            statement_max: Duration::from_secs(10),
            patience: Duration::from_secs(30),
        })
    }

    /// How its connections are made, for whatever else is kept in such a server.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Refuses times that nobody can mean.
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        for (name, time) in [
            ("lease_wait", self.lease_wait),
            ("statement_max", self.statement_max),
            ("patience", self.patience),
        ] {
            // The server counts milliseconds, and takes 0 for "for ever".
            if time < Duration::from_millis(1) || time > WAIT_MAX {
                return Err(invalid(format!("{name} is {time:?}; 1 ms to {WAIT_MAX:?}")));
            }
        }
        Ok(())
    }

    /// Where the journal is, in words; no password.
    pub(super) fn place(&self) -> String {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            })
            .chain(self.config.get_hostaddrs().iter().map(ToString::to_string))
            .collect();
        let database = self
            .config
            .get_dbname()
            .or_else(|| self.config.get_user())
            .unwrap_or_default();
        format!(
            "partition {} of the database {database} at {}",
            self.partition,
            hosts.join(", ")
        )
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresSettings")
            .field("place", &self.place())
            .field("standby", &self.standby)
            .field("takeover", &self.takeover)
            .finish_non_exhaustive()
    }
}

fn is_on_this_machine(config: &Config) -> bool {
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    });
    named
        && config
            .get_hostaddrs()
            .iter()
            .all(std::net::IpAddr::is_loopback)
}

fn invalid(what: String) -> StoreFault {
    StoreFault::Io {
        doing: "reading where the PostgreSQL server is".to_owned(),
        source: io::Error::new(ErrorKind::InvalidInput, what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_crosses_no_network_in_clear_text_unless_told_to() {
        for fine in [
            "host=/run/postgresql user=gettone",
            "host=localhost user=gettone dbname=journal",
            "postgresql://gettone@127.0.0.1,[::1]/journal",
            "host=db.example user=gettone sslmode=disable",
        ] {
            assert!(PostgresSettings::parse(fine).is_ok(), "{fine}");
        }
        for bad in [
            "host=db.example user=gettone",
            "host=localhost hostaddr=192.0.2.1 user=gettone",
            "host=localhost,db.example user=gettone",
            "host=localhost user=gettone sslmode=require",
            "user=gettone",
            "host=localhost",
            "host",
        ] {
            let refused = PostgresSettings::parse(bad);
            assert!(
                matches!(&refused, Err(StoreFault::Io { source, .. }) if source.kind() == ErrorKind::InvalidInput),
                "{bad}: {refused:?}"
            );
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        let secret = "host=localhost user=gettone password=hunter2";
        let settings = PostgresSettings::parse(secret).expect("parses");
        assert!(!format!("{settings:?} {}", settings.place()).contains("hunter2"));
    }

    #[test]
    fn a_time_that_the_server_would_take_for_ever_is_refused() {
        let mut settings = PostgresSettings::parse("host=localhost user=x").expect("parses");
        assert!(settings.check().is_ok());
        settings.statement_max = Duration::from_micros(999);
        assert!(settings.check().is_err());
    }
}
