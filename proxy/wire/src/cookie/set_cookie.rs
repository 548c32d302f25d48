//! `Set-Cookie`, RFC 6265bis section 4.1.

use std::fmt::{self, Write as _};
use std::{error, time::Duration};

/// Where and when a client sends a cookie back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The path prefix it is sent to; `None`: the directory of the request that set it.
    pub path: Option<String>,
    /// The domain it is sent to, with all its subdomains; `None`: the very host alone.
    pub domain: Option<String>,
    /// How long the client keeps it, in whole seconds; `None`: until the browser closes.
    pub max_age: Option<Duration>,
    /// On which cross-site requests it is sent.
    pub same_site: Option<SameSite>,
    /// Over TLS alone.
    pub secure: bool,
    /// Out of reach for scripts.
    pub http_only: bool,
    /// One jar per embedding site (CHIPS), for pages inside other sites' frames.
    pub partitioned: bool,
}

/// On which cross-site requests a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// None at all.
    Strict,
    /// Top-level navigation.
    Lax,
    /// All; browsers take it with `Secure` alone.
    None,
}

/// A cookie whose name and attributes are known to be good, ready to be given values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCookie {
    name: String,
    /// `; Path=/; HttpOnly...` without an age.
    scope: String,
    /// `; Max-Age=...`, when it has one.
    age: String,
}

impl SetCookie {
    /// Checks name and attributes against the RFC and each other, once, at configuration time.
    pub fn new(name: &str, attributes: &Attributes) -> Result<Self, CookieError> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(CookieError::Name);
        }
        check_prefix(name, attributes)?;
        if attributes.same_site == Some(SameSite::None) && !attributes.secure {
            return Err(CookieError::SameSiteNoneNeedsSecure);
        }
        if attributes.partitioned && !attributes.secure {
            return Err(CookieError::PartitionedNeedsSecure);
        }
        let mut scope = String::new();
        if let Some(path) = &attributes.path {
            if !path.starts_with('/') || !is_attribute_value(path) {
                return Err(CookieError::Path);
            }
            scope.push_str("; Path=");
            scope.push_str(path);
        }
        if let Some(domain) = &attributes.domain {
            if !is_domain(domain) {
                return Err(CookieError::Domain);
            }
            scope.push_str("; Domain=");
            scope.push_str(domain);
        }
        scope.push_str(match attributes.same_site {
            None => "",
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
        });
        let flags = [
            (attributes.secure, "; Secure"),
            (attributes.http_only, "; HttpOnly"),
            (attributes.partitioned, "; Partitioned"),
        ];
        scope.extend(
            flags
                .into_iter()
                .filter_map(|(set, text)| set.then_some(text)),
        );
        let age = attributes
            .max_age
            .map_or_else(String::new, |age| format!("; Max-Age={}", age.as_secs()));
        Ok(Self {
            name: name.to_owned(),
            scope,
            age,
        })
    }

    /// The name, by which the cookie is found again.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field's value that sets the cookie.
    pub fn with_value(&self, value: &str) -> Result<String, CookieError> {
        self.checked(value)?;
        let Self { name, scope, age } = self;
        Ok(format!("{name}={value}{scope}{age}"))
    }

    /// The same with `Expires` in addition, for clients that do not know `Max-Age`: seconds since
    /// 1970, up to the end of 9999.
    pub fn with_value_until(&self, value: &str, unix_seconds: u64) -> Result<String, CookieError> {
        let mut text = self.with_value(value)?;
        text.push_str("; Expires=");
        push_date(&mut text, unix_seconds);
        Ok(text)
    }

    /// The field's value that makes a client forget the cookie.
    pub fn removal(&self) -> String {
        let Self { name, scope, .. } = self;
        format!("{name}={scope}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    }

    fn checked(&self, value: &str) -> Result<(), CookieError> {
        if !value.bytes().all(is_value_byte) {
            return Err(CookieError::Value);
        }
        if self.name.len() + value.len() > PAIR_BYTES_MAX {
            return Err(CookieError::TooLong);
        }
        Ok(())
    }
}

/// Why there is no such cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// The name is no token.
    Name,
    /// The value has a byte a cookie cannot carry.
    Value,
    /// Name and value are too long together.
    TooLong,
    /// The path is not absolute, or has a byte it cannot carry.
    Path,
    /// The domain is no host name.
    Domain,
    /// The name promises `Secure`.
    SecurePrefix,
    /// The name promises `Secure`, `Path=/` and no domain.
    HostPrefix,
    /// `SameSite=None` without `Secure`.
    SameSiteNoneNeedsSecure,
    /// `Partitioned` without `Secure`.
    PartitionedNeedsSecure,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "cookie name is no token; letters, digits and !#$%&'*+-.^_`|~",
            Self::Value => {
                "cookie value has spaces, quotes, commas, semicolons, backslashes or \
                            bytes outside ASCII; encode it"
            }
            Self::TooLong => "cookie name and value are longer than 4096 bytes together",
            Self::Path => "cookie path must start with '/' and have neither ';' nor control bytes",
            Self::Domain => "cookie domain must be a host name such as example.com",
            Self::SecurePrefix => "a cookie named __Secure-* must be secure",
            Self::HostPrefix => {
                "a cookie named __Host-* must be secure, have path '/' and no domain"
            }
            Self::SameSiteNoneNeedsSecure => "same-site none is taken with secure alone",
            Self::PartitionedNeedsSecure => "partitioned is taken with secure alone",
        })
    }
}

impl error::Error for CookieError {}

/// Section 4.1.3; browsers compare the prefixes without regard to case, and so do we.
fn check_prefix(name: &str, attributes: &Attributes) -> Result<(), CookieError> {
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let Attributes {
        path,
        domain,
        secure,
        ..
    } = attributes;
    if starts("__Secure-") && !secure {
        return Err(CookieError::SecurePrefix);
    }
    if starts("__Host-") && !(*secure && domain.is_none() && path.as_deref() == Some("/")) {
        return Err(CookieError::HostPrefix);
    }
    Ok(())
}

/// The `tchar` of RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The `cookie-octet` of RFC 6265 section 4.1.1.
fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn is_attribute_value(text: &str) -> bool {
    text.len() <= ATTRIBUTE_BYTES_MAX
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b';')
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        matches!(label.len(), 1..=63)
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// An IMF-fixdate, RFC 9110 section 5.6.7. Years above 9999 have no such date; the last one stands
/// for them.
fn push_date(out: &mut String, unix_seconds: u64) {
    let seconds = unix_seconds.min(LAST_SECOND_OF_9999);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to date by eras of 400 years that begin in March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month as usize];
    write!(
        out,
        "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT"
    )
    .expect("a String takes all text");
}

/// 1970 began on a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const LAST_SECOND_OF_9999: u64 = 253_402_300_799;

/// What browsers take of name and value together (6265bis section 5.7), and of one attribute.
const PAIR_BYTES_MAX: usize = 4_096;
const ATTRIBUTE_BYTES_MAX: usize = 1_024;
