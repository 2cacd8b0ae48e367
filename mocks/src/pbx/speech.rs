//! What a caller hears.

/// The characters of `otp` one by one, as words: `zero five three two one nine`.
pub fn spoken(otp: &str) -> String {
    let words = otp.chars().map(|character| match character {
        '0' => "zero".to_owned(),
        '1' => "one".to_owned(),
        '2' => "two".to_owned(),
        '3' => "three".to_owned(),
        '4' => "four".to_owned(),
        '5' => "five".to_owned(),
        '6' => "six".to_owned(),
        '7' => "seven".to_owned(),
        '8' => "eight".to_owned(),
        '9' => "nine".to_owned(),
        '*' => "star".to_owned(),
        '#' => "pound".to_owned(),
        other => other.to_string(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::spoken;

    #[test]
    fn every_digit_is_said_leading_zeros_and_repetitions_included() {
        assert_eq!(spoken("053219"), "zero five three two one nine");
        assert_eq!(spoken("000017"), "zero zero zero zero one seven");
        assert_eq!(spoken("4678"), "four six seven eight");
        assert_eq!(spoken("A*1"), "A star one");
    }
}
