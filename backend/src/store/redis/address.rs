//! Where the server is. It may hold a password, so it is never shown whole.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};

/// Where a Redis server is: `redis://[user:password@]host[:port][/db]` or `unix:///path`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    password: Option<String>,
    shown: String,
}

impl Address {
    /// The same server, entered with this password.
    #[must_use]
    pub fn with_password(self, password: String) -> Self {
        Self {
            password: Some(password),
            ..self
        }
    }

    pub(super) fn info(&self) -> RedisResult<ConnectionInfo> {
        let info = self.url.as_str().into_connection_info()?;
        Ok(match &self.password {
            Some(password) => {
                let entered = info.redis_settings().clone().set_password(password);
                info.set_redis_settings(entered)
            }
            None => info,
        })
    }
}

impl FromStr for Address {
    type Err = &'static str;

    /// What is wrong is told without the text: a password may stand in it.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            return Err(
                "asks for TLS, which this build does not speak; use redis:// inside a \
                        network that encrypts, or a proxy beside this process",
            );
        }
        let wrong = "is no address of a Redis server; write for example redis://127.0.0.1:6379";
        let info = url.into_connection_info().map_err(|_| wrong)?;
        let db = info.redis_settings().db();
        let shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{db}"),
            ConnectionAddr::Unix(path) => format!("unix://{}", path.display()),
            _ => return Err(wrong),
        };
        Ok(Self {
            url: url.to_owned(),
            password: None,
            shown,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address: Address = "redis://ann:hunter2@[::1]:7000/3"
            .parse()
            .expect("an address");
        assert_eq!(
            format!("{address} {address:?}").matches("hunter2").count(),
            0
        );
        assert_eq!(address.to_string(), "redis://::1:7000/3");
    }

    #[test]
    fn a_password_from_elsewhere_enters() {
        let address: Address = "redis://ann@redis:6379".parse().expect("an address");
        let info = address
            .with_password("hunter2".into())
            .info()
            .expect("sound");
        assert_eq!(info.redis_settings().username(), Some("ann"));
        assert_eq!(info.redis_settings().password(), Some("hunter2"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        for (text, part) in [
            ("rediss://:hunter2@redis", "TLS"),
            ("http://:hunter2@redis", "no address"),
            ("redis://:hunter2@redis:port", "no address"),
        ] {
            let told = text.parse::<Address>().expect_err(text);
            assert!(told.contains(part) && !told.contains("hunter2"), "{told}");
        }
    }
}
