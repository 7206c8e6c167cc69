//! JSON text (RFC 8259), read token by token.

use std::borrow::Cow;

/// Text that is read up to a place.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    source: &'a str,
    at: usize,
}

/// What is no JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    pub at: usize,
    pub problem: &'static str,
}

type Result<T = ()> = std::result::Result<T, Syntax>;

impl<'a> Text<'a> {
    pub fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// How much is read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is no space.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.source.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Takes this byte if it is the next one.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    #[inline]
    pub fn expect(&mut self, byte: u8, problem: &'static str) -> Result {
        if self.take(byte) { Ok(()) } else { self.fail(problem) }
    }

    /// Takes a key with its colon.
    #[inline]
    pub fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return self.fail("a key in quotes is due");
        }
        let key = self.string()?;
        self.expect(b':', "`:` is due")?;
        Ok(key)
    }

    /// Takes the string that begins here.
    #[inline]
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let end = start + plain_length(&self.source.as_bytes()[start..]);
        if self.source.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.source[start..end]));
        }
        self.escaped(start, end).map(Cow::Owned)
    }

    /// A string that is not plain: `end` is where its first plain part ends.
    #[cold]
    fn escaped(&mut self, mut start: usize, mut end: usize) -> Result<String> {
        let mut text = String::new();
        loop {
            text.push_str(&self.source[start..end]);
            self.at = end;
            match self.source.as_bytes().get(end) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return self.fail("a control character in a string must be escaped"),
                None => return self.fail("a string does not end"),
            }
            start = self.at;
            end = start + plain_length(&self.source.as_bytes()[start..]);
        }
    }

    fn escape(&mut self) -> Result<char> {
        let escaped = self.source.as_bytes().get(self.at + 1);
        let character = match escaped {
            Some(b'u') => return self.unicode(),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.fail("an escape is unknown"),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..0xdc00 => match self.hex()? {
                second @ 0xdc00..0xe000 => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => return self.fail("half of a surrogate pair stands alone"),
            },
            code => code,
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => self.fail("half of a surrogate pair stands alone"),
        }
    }

    /// Takes `\uXXXX`.
    fn hex(&mut self) -> Result<u32> {
        let digits = self.source.get(self.at..self.at + 6).and_then(|escape| escape.strip_prefix("\\u"));
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 6;
                Ok(code)
            }
            None => self.fail("an escape is incomplete"),
        }
    }

    /// Takes the number that begins here, as it is written; one that no double can hold is refused.
    #[inline]
    pub fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        self.take_if(b'-');
        match self.digits() {
            0 => return self.fail("a value is due"),
            1 => {}
            _ if self.source[start..].trim_start_matches('-').starts_with('0') => {
                return self.fail("a number must not begin with 0");
            }
            _ => {}
        }
        if self.take_if(b'.') && self.digits() == 0 {
            return self.fail("digits are due behind the point");
        }
        let is_scaled = self.take_if(b'e') || self.take_if(b'E');
        if is_scaled {
            let _ = self.take_if(b'+') || self.take_if(b'-');
            if self.digits() == 0 {
                return self.fail("digits are due in the exponent");
            }
        }
        let number = &self.source[start..self.at];
        // Below 300 digits only an exponent makes a number too large.
        if (is_scaled || number.len() > 300) && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.at = start;
            return self.fail("a number is too large");
        }
        Ok(number)
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.source.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.source.as_bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes `true`, `false` or `null`.
    #[inline]
    pub fn word(&mut self, word: &'static str) -> Result {
        if self.source.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            self.fail("a value is due")
        }
    }

    /// Passes over a value that is no container.
    pub fn skip_scalar(&mut self) -> Result {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(_) => self.number().map(drop),
            None => self.fail("the text ends where a value is due"),
        }
    }

    /// Passes over a value, however deeply it nests.
    pub fn skip(&mut self) -> Result {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    if !self.take(closing(bracket)) {
                        open.push(bracket);
                        if bracket == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.skip_scalar()?,
            }
            // A value has ended, and with it all those that it was the last of.
            loop {
                let Some(bracket) = open.last().copied() else { return Ok(()) };
                if self.take(b',') {
                    if bracket == b'{' {
                        self.key()?;
                    }
                    break;
                }
                self.expect(closing(bracket), "`,` or the end is due")?;
                open.pop();
            }
        }
    }

    /// Nothing but space is left.
    pub fn end(&mut self) -> Result {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail("more text follows the value"),
        }
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T> {
        Err(Syntax { at: self.at, problem })
    }
}

/// Whether this is a number as JSON writes it, and nothing else.
pub fn is_number(text: &str) -> bool {
    let mut number = Text::new(text);
    number.number().is_ok() && number.at() == text.len()
}

fn closing(bracket: u8) -> u8 {
    if bracket == b'{' { b'}' } else { b']' }
}

/// How many bytes come before a quote, a backslash or a control character: eight at a time.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return index * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
    words.len() * 8 + in_rest.unwrap_or(rest.len())
}

/// The high bits of bytes that end a plain part; the lowest is exact, those above it may be found wrongly.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut text = Text::new(text);
        text.skip().and_then(|()| text.end()).is_ok()
    }

    #[track_caller]
    fn check(text: &str) {
        let expected = serde_json::from_str::<serde_json::Value>(text);
        assert_eq!(is_json(text), expected.is_ok(), "{text}: {expected:?}");
        if let Ok(serde_json::Value::String(expected)) = expected {
            let mut string = Text::new(text);
            string.peek();
            assert_eq!(string.string().as_deref(), Ok(expected.as_str()), "{text}");
        }
    }

    #[test]
    fn what_is_json_is_what_serde_json_says() {
        for text in [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            "true",
            " false\n",
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "[}",
            "{]",
            "[[]",
            "[]]",
            "0",
            "-0",
            "00",
            "-01",
            "1.",
            ".5",
            "-",
            "+1",
            "1e",
            "1e+",
            "1e5",
            "1E-5",
            "1.5e+3",
            "1e999",
            "-1e999",
            "0e999",
            "1e-999",
            "0x1",
            "NaN",
            "1a",
            "\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u00e9\\n\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\n\"",
            "\"\\udc00\"",
            "\"\\ud800\\ud800\"",
            "\"\\u+123\"",
            "\"a\nb\"",
            "\"é😀\"",
            "\"\\u00é0\"",
            "{\"\":[{\"a\":[1,{}]}]}",
            "\u{feff}{}",
            "'a'",
            "\"\u{7f}\"",
        ] {
            check(text);
        }
        check(&format!("1{}", "0".repeat(308)));
        check(&format!("1{}", "0".repeat(309)));
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_stands() {
        for character in ['"', '\\', '\u{1f}', '\0', ' ', '\u{7f}', '\u{80}', 'é', '😀'] {
            for place in 0..20 {
                check(&format!("\"{}{character}{}\"", "a".repeat(place), "b".repeat(20 - place)));
            }
        }
    }

    #[test]
    fn brackets_without_end_are_passed_over_without_recursion() {
        assert!(!is_json(&"[".repeat(1_000_000)));
        assert!(is_json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn on_any_text(text in "[-+0-9.eE\\[\\]{}:,\"\\\\ntrufalse \u{1}é]{0,12}") {
            check(&text);
        }
    }
}
