//! What is where in a zip file whose members are stored as they are. Sizes are known before, checksums are not: they
//! come after each member, in a data descriptor. Files from 4 GiB on use the zip64 forms.

use bytes::{BufMut, Bytes, BytesMut};

/// From here on a number does not fit its field.
const MAX_32: u64 = 0xffff_ffff;
/// From here on a count does not fit its field.
const MAX_16: usize = 0xffff;
/// Checksum and sizes follow; names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// Version of the format: 2.0, or 4.5 for zip64.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;

/// One file.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) size: u64,
    /// Seconds since the Unix epoch.
    pub(super) modified: i64,
}

impl Member {
    fn is_large(&self) -> bool {
        self.size >= MAX_32
    }

    /// Bytes of the header, and of the descriptor.
    fn frame(&self) -> (u64, u64) {
        let extra = if self.is_large() { 20 } else { 0 };
        (
            30 + self.name.len() as u64 + extra,
            if self.is_large() { 24 } else { 16 },
        )
    }
}

/// The whole file.
pub(super) struct Layout {
    members: Vec<Member>,
    /// Where each member starts, and where the directory does.
    offsets: Vec<u64>,
}

impl Layout {
    pub(super) fn new(members: Vec<Member>) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for member in &members {
            let (before, after) = member.frame();
            end += before + member.size + after;
            offsets.push(end);
        }
        Self { members, offsets }
    }

    pub(super) fn size(&self, index: usize) -> u64 {
        self.members[index].size
    }

    fn directory_start(&self) -> u64 {
        self.offsets[self.members.len()]
    }

    /// Length of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        let directory: u64 = (0..self.members.len())
            .map(|index| self.record_length(index))
            .sum();
        let end = if self.is_large(directory) {
            22 + 56 + 20
        } else {
            22
        };
        self.directory_start() + directory + end
    }

    fn is_large(&self, directory: u64) -> bool {
        self.members.len() >= MAX_16 || self.directory_start() >= MAX_32 || directory >= MAX_32
    }

    fn needs_64(&self, index: usize) -> bool {
        self.members[index].is_large() || self.offsets[index] >= MAX_32
    }

    fn record_length(&self, index: usize) -> u64 {
        let extra = if self.needs_64(index) { 28 } else { 0 };
        46 + self.members[index].name.len() as u64 + extra
    }

    /// What comes before the bytes of a member.
    pub(super) fn before(&self, index: usize) -> Bytes {
        let member = &self.members[index];
        let (date, time) = dos_time(member.modified);
        let mut out = BytesMut::new();
        out.put_u32_le(0x0403_4b50);
        out.put_u16_le(if member.is_large() { VERSION_64 } else { VERSION });
        out.put_u16_le(FLAGS);
        out.put_u16_le(0);
        out.put_u16_le(time);
        out.put_u16_le(date);
        out.put_u32_le(0);
        let unknown = if member.is_large() { u32::MAX } else { 0 };
        out.put_u32_le(unknown);
        out.put_u32_le(unknown);
        out.put_u16_le(name_length(member));
        out.put_u16_le(if member.is_large() { 20 } else { 0 });
        out.put_slice(member.name.as_bytes());
        if member.is_large() {
            out.put_u16_le(1);
            out.put_u16_le(16);
            out.put_u64_le(0);
            out.put_u64_le(0);
        }
        out.freeze()
    }

    /// What comes after the bytes of a member.
    pub(super) fn after(&self, index: usize, checksum: u32) -> Bytes {
        let member = &self.members[index];
        let mut out = BytesMut::new();
        out.put_u32_le(0x0807_4b50);
        out.put_u32_le(checksum);
        for _ in 0..2 {
            if member.is_large() {
                out.put_u64_le(member.size);
            } else {
                out.put_u32_le(low(member.size));
            }
        }
        out.freeze()
    }

    /// The directory and the end of the file. `checksums` has one for each member.
    pub(super) fn directory(&self, checksums: &[u32]) -> Bytes {
        let mut out = BytesMut::new();
        for (index, checksum) in checksums.iter().enumerate() {
            self.record(index, *checksum, &mut out);
        }
        let (start, length) = (self.directory_start(), out.len() as u64);
        if self.is_large(length) {
            out.put_u32_le(0x0606_4b50);
            out.put_u64_le(44);
            out.put_u16_le(VERSION_64);
            out.put_u16_le(VERSION_64);
            out.put_u32_le(0);
            out.put_u32_le(0);
            out.put_u64_le(self.members.len() as u64);
            out.put_u64_le(self.members.len() as u64);
            out.put_u64_le(length);
            out.put_u64_le(start);
            out.put_u32_le(0x0706_4b50);
            out.put_u32_le(0);
            out.put_u64_le(start + length);
            out.put_u32_le(1);
        }
        out.put_u32_le(0x0605_4b50);
        out.put_u32_le(0);
        // What does not fit is in the zip64 record.
        let count = u16::try_from(self.members.len()).unwrap_or(u16::MAX);
        out.put_u16_le(count);
        out.put_u16_le(count);
        out.put_u32_le(low(length));
        out.put_u32_le(low(start));
        out.put_u16_le(0);
        out.freeze()
    }

    fn record(&self, index: usize, checksum: u32, out: &mut BytesMut) {
        let member = &self.members[index];
        let is_64 = self.needs_64(index);
        let (date, time) = dos_time(member.modified);
        let version = if is_64 { VERSION_64 } else { VERSION };
        out.put_u32_le(0x0201_4b50);
        out.put_u16_le(version);
        out.put_u16_le(version);
        out.put_u16_le(FLAGS);
        out.put_u16_le(0);
        out.put_u16_le(time);
        out.put_u16_le(date);
        out.put_u32_le(checksum);
        let size = if is_64 { u32::MAX } else { low(member.size) };
        out.put_u32_le(size);
        out.put_u32_le(size);
        out.put_u16_le(name_length(member));
        out.put_u16_le(if is_64 { 28 } else { 0 });
        out.put_u16_le(0);
        out.put_u16_le(0);
        out.put_u16_le(0);
        out.put_u32_le(0);
        out.put_u32_le(if is_64 { u32::MAX } else { low(self.offsets[index]) });
        out.put_slice(member.name.as_bytes());
        if is_64 {
            out.put_u16_le(1);
            out.put_u16_le(24);
            out.put_u64_le(member.size);
            out.put_u64_le(member.size);
            out.put_u64_le(self.offsets[index]);
        }
    }
}

/// Paths of files are shorter than 64 KiB.
fn name_length(member: &Member) -> u16 {
    u16::try_from(member.name.len()).unwrap_or(u16::MAX)
}

/// The number, or the mark that it is in the zip64 record.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Date and time (UTC) as MS-DOS has them: from 1980, in steps of two seconds.
fn dos_time(seconds: i64) -> (u16, u16) {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    if !(1980..=2107).contains(&year) {
        return (1 << 5 | 1, 0);
    }
    // Within bounds by now.
    let date = (((year - 1980) << 9) | (month << 5) | day) as u16;
    let time = (((second / 3600) << 11) | ((second / 60 % 60) << 5) | (second % 60 / 2)) as u16;
    (date, time)
}

/// Year, month and day of a number of days since the Unix epoch, by the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years start in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(layout: &Layout) -> u64 {
        let members = (0..layout.members.len()).map(|index| {
            (layout.before(index).len() + layout.after(index, 7).len()) as u64 + layout.size(index)
        });
        members.sum::<u64>() + layout.directory(&vec![7; layout.members.len()]).len() as u64
    }

    #[test]
    fn lengths_are_exact() {
        let member = |name: &str, size: u64| Member {
            name: name.into(),
            size,
            modified: 1_700_000_000,
        };
        for members in [
            vec![],
            vec![member("a", 0), member("dir/ü.txt", 12)],
            vec![member("large", 5 << 30), member("after", 1)],
            (0..70_000).map(|n| member(&n.to_string(), 1)).collect(),
        ] {
            let layout = Layout::new(members);
            assert_eq!(layout.length(), total(&layout));
        }
    }

    #[test]
    fn times() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        let (date, time) = dos_time(1_709_210_096);
        assert_eq!((date >> 9, date >> 5 & 15, date & 31), (44, 2, 29));
        assert_eq!((time >> 11, time >> 5 & 63, time & 31), (12, 34, 28));
        assert_eq!(dos_time(0), (33, 0));
    }
}
