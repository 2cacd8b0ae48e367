//! One telephone number in the many ways that directories and phone systems write it.

/// A number of Sweden's fiction range, 070-174 06 05 to 070-174 06 99, by its last two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fiction(u8);

/// A way to write a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// `+46701740605`
    E164,
    /// `+46 70-174 06 05`
    International,
    /// `0046701740605`
    DoubleZero,
    /// `070-174 06 05`
    National,
    /// `0701740605`
    NationalDigits,
    /// `(070) 174 06 05`
    Parentheses,
    /// `+46 (0)70 174 06 05`
    OptionalZero,
    /// `46701740605`
    NoPlus,
    /// `tel:+46701740605`
    Tel,
    /// `sip:+46701740605@trunk;user=phone`
    Sip,
    /// `+46 70 174 06 05` with no-break spaces
    NoBreakSpaces,
    /// `070‑174 06 05` with a typographic hyphen
    TypographicHyphen,
    /// `＋４６７０１７４０６０５`
    FullWidth,
}

impl Fiction {
    /// The first and the last two digits of the range.
    pub const RANGE: std::ops::RangeInclusive<u8> = 5..=99;

    /// The number that ends in these two digits, if it is reserved for fiction.
    pub fn ending(digits: u8) -> Option<Self> {
        Self::RANGE.contains(&digits).then_some(Self(digits))
    }

    /// The number as E.164 has it.
    pub fn e164(self) -> String {
        self.spelt(Spelling::E164)
    }

    /// The number as `spelling` writes it.
    pub fn spelt(self, spelling: Spelling) -> String {
        let end = format!("{:02}", self.0);
        match spelling {
            Spelling::E164 => format!("+467017406{end}"),
            Spelling::International => format!("+46 70-174 06 {end}"),
            Spelling::DoubleZero => format!("00467017406{end}"),
            Spelling::National => format!("070-174 06 {end}"),
            Spelling::NationalDigits => format!("07017406{end}"),
            Spelling::Parentheses => format!("(070) 174 06 {end}"),
            Spelling::OptionalZero => format!("+46 (0)70 174 06 {end}"),
            Spelling::NoPlus => format!("467017406{end}"),
            Spelling::Tel => format!("tel:+467017406{end}"),
            Spelling::Sip => format!("sip:+467017406{end}@trunk;user=phone"),
            Spelling::NoBreakSpaces => {
                format!("+46\u{a0}70\u{a0}174\u{a0}06\u{a0}{end}")
            }
            Spelling::TypographicHyphen => format!("070\u{2011}174 06 {end}"),
            Spelling::FullWidth => full_width(&format!("+467017406{end}")),
        }
    }
}

impl Spelling {
    /// Every way there is.
    pub const ALL: [Self; 13] = [
        Self::E164,
        Self::International,
        Self::DoubleZero,
        Self::National,
        Self::NationalDigits,
        Self::Parentheses,
        Self::OptionalZero,
        Self::NoPlus,
        Self::Tel,
        Self::Sip,
        Self::NoBreakSpaces,
        Self::TypographicHyphen,
        Self::FullWidth,
    ];

    /// What trunks and phone systems deliver.
    pub const DELIVERED: [Self; 7] = [
        Self::E164,
        Self::NoPlus,
        Self::NationalDigits,
        Self::DoubleZero,
        Self::National,
        Self::International,
        Self::Sip,
    ];
}

fn full_width(text: &str) -> String {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
        other => other,
    };
    text.chars().map(wide).collect()
}
