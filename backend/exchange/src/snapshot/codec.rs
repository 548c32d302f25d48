//! Values as bytes: variable-length integers, so that small numbers, which most are, stay short.

use super::RestoreError;
use crate::units::{AccountId, Money, OrderId, Price, Quantity, Side, SymbolId, TradeId};

/// Bytes under way.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_room(room: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(room),
        }
    }

    pub(crate) fn put<T: Coded>(&mut self, value: &T) {
        value.put(self);
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(crate) fn count(&mut self, count: usize) {
        self.unsigned(count as u64);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes being read; every error says where.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn take<T: Coded>(&mut self) -> Result<T, RestoreError> {
        T::take(self)
    }

    pub(crate) fn damaged(&self) -> RestoreError {
        RestoreError::Damaged(self.at)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RestoreError> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or(RestoreError::Damaged(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn raw(&mut self, count: usize) -> Result<&'a [u8], RestoreError> {
        let end = self.at.checked_add(count).ok_or_else(|| self.damaged())?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.damaged())?;
        self.at = end;
        Ok(bytes)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, RestoreError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged())
    }

    /// A count of things of at least one byte each: never more than bytes are left.
    pub(crate) fn count(&mut self) -> Result<usize, RestoreError> {
        let count = self.unsigned()? as usize;
        if count > self.bytes.len() - self.at {
            Err(self.damaged())
        } else {
            Ok(count)
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// A value with one way to write it and one to read it.
pub(crate) trait Coded: Sized {
    fn put(&self, writer: &mut Writer);
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError>;
}

impl Coded for u64 {
    fn put(&self, writer: &mut Writer) {
        writer.unsigned(*self);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        reader.unsigned()
    }
}

impl Coded for i64 {
    fn put(&self, writer: &mut Writer) {
        // zigzag: small negative numbers stay short too
        writer.unsigned(((*self << 1) ^ (*self >> 63)) as u64);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let value = reader.unsigned()?;
        Ok((value >> 1) as Self ^ -((value & 1) as Self))
    }
}

impl Coded for i128 {
    fn put(&self, writer: &mut Writer) {
        let zigzag = ((*self << 1) ^ (*self >> 127)) as u128;
        writer.unsigned(zigzag as u64 & LOW);
        writer.unsigned((zigzag >> 56) as u64 & LOW);
        writer.unsigned((zigzag >> 112) as u64);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let low = u128::from(reader.unsigned()? & LOW);
        let middle = u128::from(reader.unsigned()? & LOW);
        let high = u128::from(reader.unsigned()? & 0xFFFF);
        let value = low | middle << 56 | high << 112;
        Ok((value >> 1) as Self ^ -((value & 1) as Self))
    }
}

/// The 56 bits that eight bytes of a variable-length integer hold.
const LOW: u64 = (1 << 56) - 1;

impl Coded for f64 {
    fn put(&self, writer: &mut Writer) {
        writer.raw(&self.to_bits().to_le_bytes());
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let bytes = reader.raw(8)?.try_into().map_err(|_| reader.damaged())?;
        Ok(Self::from_bits(u64::from_le_bytes(bytes)))
    }
}

impl Coded for bool {
    fn put(&self, writer: &mut Writer) {
        writer.byte(u8::from(*self));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(reader.damaged()),
        }
    }
}

impl<T: Coded> Coded for Option<T> {
    fn put(&self, writer: &mut Writer) {
        writer.put(&self.is_some());
        if let Some(value) = self {
            writer.put(value);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(if reader.take()? {
            Some(reader.take()?)
        } else {
            None
        })
    }
}

impl<A: Coded, B: Coded> Coded for (A, B) {
    fn put(&self, writer: &mut Writer) {
        writer.put(&self.0);
        writer.put(&self.1);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok((reader.take()?, reader.take()?))
    }
}

impl<T: Coded> Coded for Vec<T> {
    fn put(&self, writer: &mut Writer) {
        writer.count(self.len());
        for value in self {
            writer.put(value);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let count = reader.count()?;
        (0..count).map(|_| reader.take()).collect()
    }
}

impl<T: Coded> Coded for std::collections::VecDeque<T> {
    fn put(&self, writer: &mut Writer) {
        writer.count(self.len());
        for value in self {
            writer.put(value);
        }
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let count = reader.count()?;
        (0..count).map(|_| reader.take()).collect()
    }
}

impl Coded for Side {
    fn put(&self, writer: &mut Writer) {
        writer.byte(self.index() as u8);
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(if reader.take()? {
            Self::Sell
        } else {
            Self::Buy
        })
    }
}

macro_rules! newtypes {
    ($($name:ident as $wide:ty),*) => {
        $(impl Coded for $name {
            fn put(&self, writer: &mut Writer) {
                writer.put(&<$wide>::from(self.0));
            }
            fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
                let value: $wide = reader.take()?;
                Ok(Self(value.try_into().map_err(|_| reader.damaged())?))
            }
        })*
    };
}

newtypes!(
    Price as i64,
    Quantity as i64,
    Money as i128,
    OrderId as u64,
    TradeId as u64,
    SymbolId as u64,
    AccountId as u64
);

impl Coded for u32 {
    fn put(&self, writer: &mut Writer) {
        writer.unsigned(u64::from(*self));
    }
    fn take(reader: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Self::try_from(reader.unsigned()?).map_err(|_| reader.damaged())
    }
}

/// One list of fields gives both directions, so that they cannot differ.
macro_rules! coded {
    ($name:ty { $($field:ident),* $(,)? }) => {
        impl $crate::snapshot::Coded for $name {
            fn put(&self, writer: &mut $crate::snapshot::Writer) {
                $(writer.put(&self.$field);)*
            }
            fn take(
                reader: &mut $crate::snapshot::Reader<'_>,
            ) -> Result<Self, $crate::snapshot::RestoreError> {
                Ok(Self { $($field: reader.take()?),* })
            }
        }
    };
}

/// As `coded!` for enums: the number of a variant is its place in the list, so lists only grow.
macro_rules! coded_enum {
    ($name:ty {
        $($variant:ident $({ $($field:ident),* })? $(( $inner:ident ))? = $tag:literal),* $(,)?
    }) => {
        impl $crate::snapshot::Coded for $name {
            fn put(&self, writer: &mut $crate::snapshot::Writer) {
                match self {
                    $(Self::$variant $({ $($field),* })? $(($inner))? => {
                        writer.byte($tag);
                        $($(writer.put($field);)*)?
                        $(writer.put($inner);)?
                    })*
                }
            }
            fn take(
                reader: &mut $crate::snapshot::Reader<'_>,
            ) -> Result<Self, $crate::snapshot::RestoreError> {
                match reader.byte()? {
                    $($tag => {
                        $($(let $field = reader.take()?;)*)?
                        $(let $inner = reader.take()?;)?
                        Ok(Self::$variant $({ $($field),* })? $(($inner))?)
                    })*
                    _ => Err(reader.damaged()),
                }
            }
        }
    };
}

pub(crate) use {coded, coded_enum};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u64, b: i64, c: i128, d: f64, e: Option<bool>) {
            let mut writer = Writer::default();
            writer.put(&a);
            writer.put(&b);
            writer.put(&c);
            writer.put(&d);
            writer.put(&e);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.take(), Ok(a));
            prop_assert_eq!(reader.take(), Ok(b));
            prop_assert_eq!(reader.take(), Ok(c));
            prop_assert_eq!(reader.take::<f64>().map(f64::to_bits), Ok(d.to_bits()));
            prop_assert_eq!(reader.take(), Ok(e));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn strange_bytes_are_refused_not_believed(bytes: Vec<u8>) {
            // a count that promises more than there is must not reserve it
            let mut reader = Reader::new(&bytes);
            let read: Result<Vec<i128>, _> = reader.take();
            prop_assert!(read.map_or(true, |list| list.len() <= bytes.len()));
        }
    }
}
