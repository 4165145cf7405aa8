//! Lines of two texts side by side, so that as many as possible are beside the same line.

/// More lines than that are not worth the search: what is between the first and the last line that
/// differ is then paired as it comes.
const MOST: usize = 1000;

/// A line of each text, or of one.
pub(super) type Row<'a> = (Option<&'a str>, Option<&'a str>);

/// Pairs lines. Lines that differ share a row as far as there are some on both sides.
pub(super) fn align<'a>(left: &'a [String], right: &'a [String]) -> Vec<Row<'a>> {
    let head = same(left.iter(), right.iter());
    let (left_rest, right_rest) = (&left[head..], &right[head..]);
    let tail = same(left_rest.iter().rev(), right_rest.iter().rev());
    let left_part = &left_rest[..left_rest.len() - tail];
    let right_part = &right_rest[..right_rest.len() - tail];
    let mut rows = paired(&left[..head], &right[..head]);
    if left_part.len().max(right_part.len()) > MOST {
        rows.extend(paired(left_part, right_part));
    } else {
        rows.extend(by_common_lines(left_part, right_part));
    }
    let ends = (left.len() - tail, right.len() - tail);
    rows.extend(paired(&left[ends.0..], &right[ends.1..]));
    rows
}

fn same<'a>(
    left: impl Iterator<Item = &'a String>,
    right: impl Iterator<Item = &'a String>,
) -> usize {
    left.zip(right).take_while(|(l, r)| l == r).count()
}

fn paired<'a>(left: &'a [String], right: &'a [String]) -> Vec<Row<'a>> {
    let at = |lines: &'a [String], i: usize| lines.get(i).map(String::as_str);
    (0..left.len().max(right.len()))
        .map(|i| (at(left, i), at(right, i)))
        .collect()
}

/// Along a longest common subsequence.
fn by_common_lines<'a>(left: &'a [String], right: &'a [String]) -> Vec<Row<'a>> {
    // lengths[i][j]: how many lines left[i..] and right[j..] have in common.
    let mut lengths = vec![vec![0_u32; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i][j] = if left[i] == right[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut from_i, mut from_j) = (0, 0);
    let mut rows = Vec::new();
    while i < left.len() && j < right.len() {
        if left[i] == right[j] {
            rows.extend(paired(&left[from_i..i], &right[from_j..j]));
            rows.push((Some(left[i].as_str()), Some(right[j].as_str())));
            (i, j) = (i + 1, j + 1);
            (from_i, from_j) = (i, j);
        } else if lengths[i + 1][j] >= lengths[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    rows.extend(paired(&left[from_i..], &right[from_j..]));
    rows
}

#[cfg(test)]
mod tests {
    use super::align;

    #[track_caller]
    fn check(left: &str, right: &str, rows: &str) {
        let lines = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let (left, right) = (lines(left), lines(right));
        let shown: Vec<_> = align(&left, &right)
            .into_iter()
            .map(|(l, r)| format!("{}{}", l.unwrap_or("-"), r.unwrap_or("-")))
            .collect();
        assert_eq!(shown.join(" "), rows);
    }

    #[test]
    fn lines_stand_beside_the_same_ones() {
        check("", "", "");
        check("abc", "abc", "aa bb cc");
        check("abc", "axbc", "aa -x bb cc");
        check("abc", "ac", "aa b- cc");
        check("abc", "axc", "aa bx cc");
        check("abcd", "xbyd", "ax bb cy dd");
        check("ab", "", "a- b-");
        check("abab", "baba", "a- bb aa bb -a");
    }
}
