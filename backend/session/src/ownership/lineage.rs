//! Which claims led to which: numbers alone do not tell, since a store that has
//! lost a claim hands out its number again.

use std::fmt;
use std::str::FromStr;

use crate::id::{ClaimId, IdError};
use crate::ownership::Claim;

/// How many claims before the present one are remembered.
const REMEMBERED: usize = 16;

/// The claims that led to one, oldest first; the latest few of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestors(Vec<Claim>);

/// Under which claim a connection was served: `<generation>.<claim id>`
/// (`Holdfast-Generation`). The number alone is what earlier builds said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The fencing number.
    pub generation: u64,
    /// Which claim of that number.
    pub claim: Option<ClaimId>,
}

impl Ancestors {
    /// These and one after them.
    #[must_use]
    pub fn with(&self, claim: Claim) -> Self {
        let first = (self.0.len() + 1).saturating_sub(REMEMBERED);
        let kept = self.0.get(first..).unwrap_or_default();
        Self(kept.iter().copied().chain([claim]).collect())
    }

    /// Whether what was served under `seen` led to `present`. Of claims from
    /// before all that are remembered, and of later ones, nothing is known.
    pub(super) fn lead_to(&self, present: Claim, seen: Served) -> bool {
        let Some(id) = seen.claim else { return true };
        let claim = Claim {
            generation: seen.generation,
            id,
        };
        let oldest = self.0.first().unwrap_or(&present).generation;
        let is_known = (oldest..=present.generation).contains(&seen.generation);
        !is_known || claim == present || self.0.contains(&claim)
    }
}

/// One after the other, for a store.
impl fmt::Display for Ancestors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, claim) in self.0.iter().enumerate() {
            let space = if place > 0 { " " } else { "" };
            write!(f, "{space}{claim}")?;
        }
        Ok(())
    }
}

impl FromStr for Ancestors {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let claims = text.split_ascii_whitespace().map(str::parse);
        Ok(Self(claims.collect::<Result<_, _>>()?))
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.id)
    }
}

impl FromStr for Claim {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Served { generation, claim } = text.parse()?;
        let id = claim.ok_or(IdError::NotClaim)?;
        Ok(Self { generation, id })
    }
}

impl FromStr for Served {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (number, id) = match text.split_once('.') {
            Some((number, id)) => (number, Some(id)),
            None => (text, None),
        };
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| number.parse().ok()).flatten();
        Ok(Self {
            generation: number.ok_or(IdError::NotClaim)?,
            claim: id.map(str::parse).transpose()?,
        })
    }
}

impl From<Claim> for Served {
    fn from(claim: Claim) -> Self {
        Self {
            generation: claim.generation,
            claim: Some(claim.id),
        }
    }
}

impl From<u64> for Served {
    fn from(generation: u64) -> Self {
        Self {
            generation,
            claim: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(generation: u64, id: u128) -> Claim {
        let id = ClaimId::new(id);
        Claim { generation, id }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let ancestors = Ancestors::default().with(claim(1, 7)).with(claim(2, 9));
        assert_eq!(ancestors.to_string().parse(), Ok(ancestors));
        assert_eq!("".parse(), Ok(Ancestors::default()));
        assert_eq!("5".parse(), Ok(Served::from(5)));
        let own = claim(5, 0xab);
        assert_eq!(own.to_string().parse(), Ok(Served::from(own)));
        for text in ["", "x", "-1", "5.", "5.ab", ".5", "+5"] {
            assert!(text.parse::<Served>().is_err(), "{text:?}");
        }
        assert_eq!("5".parse::<Claim>(), Err(IdError::NotClaim));
    }

    #[test]
    fn only_the_latest_are_remembered_and_nothing_is_said_of_those_before() {
        let count = REMEMBERED as u64 + 3;
        let all = (1..=count).map(|generation| claim(generation, 1));
        let ancestors = all.fold(Ancestors::default(), |known, one| known.with(one));
        assert_eq!(ancestors.0.len(), REMEMBERED);
        let present = claim(count + 1, 1);
        let leads = |generation| ancestors.lead_to(present, claim(generation, 2).into());
        assert!(leads(3) && leads(count + 2), "nothing is known of them");
        assert!(!leads(4) && !leads(count + 1));
    }
}
