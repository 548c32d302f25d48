//! CRC-32 over the ten best levels of each side, by which a client sees that its book is right.
//!
//! Over the text of price and quantity as the stream has them, without the point and without
//! leading zeros; asks from the lowest up, then bids from the highest down. So a client needs
//! nothing but the strings it received.

use crate::market::Market;
use crate::units::Side;

/// Levels of each side that go into the checksum.
pub(crate) const LEVELS: usize = 10;

pub(crate) fn of(market: &Market) -> u32 {
    let mut crc = Crc::new();
    for side in [Side::Sell, Side::Buy] {
        for level in market.book.levels(side).take(LEVELS) {
            crc.number(market.instrument.tick().digits(level.price.0));
            crc.number(market.instrument.lot().short_digits(level.quantity.0));
        }
    }
    crc.finish()
}

/// The checksum of a book given as text, best first: what a client computes.
#[must_use]
pub fn of_text<'a>(
    asks: impl IntoIterator<Item = (&'a str, &'a str)>,
    bids: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> u32 {
    let mut crc = Crc::new();
    let asks = asks.into_iter().take(LEVELS);
    for (price, quantity) in asks.chain(bids.into_iter().take(LEVELS)) {
        crc.digits(price);
        crc.digits(quantity);
    }
    crc.finish()
}

struct Crc(u32);

impl Crc {
    fn new() -> Self {
        Self(u32::MAX)
    }

    fn digits(&mut self, text: &str) {
        let digits = text.bytes().filter(u8::is_ascii_digit);
        for digit in digits.skip_while(|digit| *digit == b'0') {
            self.byte(digit);
        }
    }

    /// As [`Crc::digits`] for the number itself, without making a text of it.
    fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut start = digits.len();
        while number > 0 {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        digits[start..].iter().for_each(|digit| self.byte(*digit));
    }

    fn byte(&mut self, byte: u8) {
        self.0 = TABLE[usize::from(self.0 as u8 ^ byte)] ^ (self.0 >> 8);
    }

    fn finish(self) -> u32 {
        !self.0
    }
}

/// The reflected polynomial 0xEDB88320 (zlib, Ethernet), one step for each byte value.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0xEDB8_8320
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_is_the_usual_one() {
        let mut crc = Crc::new();
        crc.digits("123456789");
        assert_eq!(crc.finish(), 0xCBF4_3926);
    }

    #[test]
    fn points_and_leading_zeros_do_not_count() {
        assert_eq!(of_text([("0.50", "1.5")], []), of_text([("50", "15")], []));
        assert_ne!(of_text([("0.50", "1.5")], []), of_text([("50", "150")], []));
    }
}
