//! Apache Parquet, as little of it as every reader understands: flat optional columns, plain encoding, no compression, one
//! page a column and row group (github.com/apache/parquet-format: README, Encodings.md, `parquet.thrift` version 2.9).
//!
//! Written here because the crate of that name brings 29 others and costs a fifth of the build.

use super::{Datum, Field, Kind};

/// Rows that are gathered before they are written: a writer holds no more.
pub const GROUP_ROWS: usize = 50_000;

const MAGIC: &[u8; 4] = b"PAR1";

/// Writes one file, front to back: [`Writer::begin`], rows by [`Writer::push`], [`Writer::finish`]. Each returns the bytes that
/// come next.
pub struct Writer {
    fields: Vec<Field>,
    rows: Vec<Vec<Datum>>,
    groups: Vec<Group>,
    /// Bytes that were returned so far.
    written: usize,
    metadata: Vec<(String, String)>,
}

/// Where a row group lies.
struct Group {
    rows: usize,
    /// Offset and length of each column.
    columns: Vec<(usize, usize)>,
}

impl Writer {
    /// Makes a writer for these columns; `metadata` goes into the file's key-value metadata.
    pub fn new(fields: Vec<Field>, metadata: Vec<(String, String)>) -> Writer {
        Writer { fields, rows: Vec::new(), groups: Vec::new(), written: 0, metadata }
    }

    /// Returns how a file begins.
    pub fn begin(&mut self) -> Vec<u8> {
        self.written = MAGIC.len();
        MAGIC.to_vec()
    }

    /// Takes a row: one datum a column, of its kind or nothing. Returns bytes once a group is full.
    pub fn push(&mut self, row: Vec<Datum>) -> Vec<u8> {
        self.rows.push(row);
        if self.rows.len() < GROUP_ROWS { Vec::new() } else { self.group() }
    }

    /// Returns how the file ends.
    pub fn finish(mut self) -> Vec<u8> {
        let mut bytes = self.group();
        let footer = self.footer();
        bytes.extend(&footer);
        bytes.extend(length(footer.len()));
        bytes.extend(MAGIC);
        bytes
    }

    /// Writes the rows that wait as a group.
    fn group(&mut self) -> Vec<u8> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Vec::new();
        }
        let mut bytes = Vec::new();
        let mut columns = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let page = page(field.kind, rows.iter().map(|row| row.get(index).unwrap_or(&Datum::Null)));
            columns.push((self.written + bytes.len(), page.len()));
            bytes.extend(page);
        }
        self.written += bytes.len();
        self.groups.push(Group { rows: rows.len(), columns });
        bytes
    }

    /// Writes `FileMetaData`.
    fn footer(&self) -> Vec<u8> {
        let rows: usize = self.groups.iter().map(|group| group.rows).sum();
        let mut out = Thrift::default();
        out.i32(1, 1);
        out.list(2, self.fields.len() + 1, STRUCT);
        // The root of the schema.
        out.binary(4, b"schema");
        out.i32(5, self.fields.len() as i64);
        out.end();
        for field in &self.fields {
            write_schema(&mut out, field);
        }
        out.i64(3, rows as i64);
        out.list(4, self.groups.len(), STRUCT);
        for group in &self.groups {
            self.write_group(&mut out, group);
        }
        out.list(5, self.metadata.len(), STRUCT);
        for (key, value) in &self.metadata {
            out.binary(1, key.as_bytes());
            out.binary(2, value.as_bytes());
            out.end();
        }
        out.binary(6, b"gridsweep");
        out.end();
        out.bytes
    }

    /// Writes `RowGroup`.
    fn write_group(&self, out: &mut Thrift, group: &Group) {
        out.list(1, group.columns.len(), STRUCT);
        for (field, (offset, length)) in self.fields.iter().zip(&group.columns) {
            // ColumnChunk, and in it ColumnMetaData.
            out.i64(2, *offset as i64);
            out.begin(3);
            out.i32(1, physical(field.kind));
            out.list(2, 2, I32);
            out.zigzag(PLAIN);
            out.zigzag(RLE);
            out.list(3, 1, BINARY);
            out.text(field.name.as_bytes());
            out.i32(4, 0);
            out.i64(5, group.rows as i64);
            out.i64(6, *length as i64);
            out.i64(7, *length as i64);
            out.i64(9, *offset as i64);
            out.end();
            out.end();
        }
        let bytes: usize = group.columns.iter().map(|(_, length)| length).sum();
        out.i64(2, bytes as i64);
        out.i64(3, group.rows as i64);
        out.end();
    }
}

/// Writes `SchemaElement`: an optional column, texts marked as UTF-8 in both ways that readers know.
fn write_schema(out: &mut Thrift, field: &Field) {
    const OPTIONAL: i64 = 1;
    const UTF8: i64 = 0;
    out.i32(1, physical(field.kind));
    out.i32(3, OPTIONAL);
    out.binary(4, field.name.as_bytes());
    if field.kind == Kind::Text {
        out.i32(6, UTF8);
        out.begin(10);
        out.begin(1);
        out.end();
        out.end();
    }
    out.end();
}

/// Returns the physical type.
fn physical(kind: Kind) -> i64 {
    match kind {
        Kind::Bool => 0,
        Kind::Integer => 2,
        Kind::Number => 5,
        Kind::Text => 6,
    }
}

/// Encodings.
const PLAIN: i64 = 0;
const RLE: i64 = 3;

/// Writes the values of one column as a page with its header.
fn page<'a>(kind: Kind, values: impl Iterator<Item = &'a Datum> + Clone) -> Vec<u8> {
    let is_there = |datum: &Datum| *datum != Datum::Null;
    let levels = levels(values.clone().map(is_there));
    let mut body = length(levels.len()).to_vec();
    body.extend(levels);
    match kind {
        Kind::Bool => body.extend(bits(values.clone())),
        Kind::Integer | Kind::Number | Kind::Text => {
            values.clone().for_each(|datum| write_plain(&mut body, datum));
        }
    }
    // PageHeader, and in it DataPageHeader.
    let mut out = Thrift::default();
    out.i32(1, 0);
    out.i32(2, body.len() as i64);
    out.i32(3, body.len() as i64);
    out.begin(5);
    out.i32(1, values.count() as i64);
    out.i32(2, PLAIN);
    out.i32(3, RLE);
    out.i32(4, RLE);
    out.end();
    out.end();
    out.bytes.extend(body);
    out.bytes
}

fn write_plain(body: &mut Vec<u8>, datum: &Datum) {
    match datum {
        Datum::Integer(number) => body.extend(number.to_le_bytes()),
        Datum::Number(number) => body.extend(number.to_le_bytes()),
        Datum::Text(text) => {
            body.extend(length(text.len()));
            body.extend(text.as_bytes());
        }
        Datum::Null | Datum::Bool(_) => {}
    }
}

/// Packs what is there of a column of `true` and `false`, eight a byte, the lowest bit first.
fn bits<'a>(values: impl Iterator<Item = &'a Datum>) -> Vec<u8> {
    let values = values.filter_map(|datum| if let Datum::Bool(value) = datum { Some(*value) } else { None });
    let values: Vec<bool> = values.collect();
    let pack = |values: &[bool]| values.iter().rev().fold(0, |byte, value| byte << 1 | u8::from(*value));
    values.chunks(8).map(pack).collect()
}

/// Writes the definition levels, 1 where a value is there: runs of the RLE and bit-packing hybrid, one bit wide.
fn levels(there: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut runs: Vec<(u64, bool)> = Vec::new();
    for value in there {
        match runs.last_mut() {
            Some((count, of)) if *of == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    let mut out = Vec::new();
    for (count, value) in runs {
        write_varint(&mut out, count << 1);
        out.push(u8::from(value));
    }
    out
}

/// Returns a length as four bytes. A group of rows has far less than the 4 GiB that this can say.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Type numbers of Thrift's compact protocol.
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Thrift's compact protocol, as far as it is needed (github.com/apache/thrift, doc/specs/thrift-compact-protocol.md).
#[derive(Default)]
struct Thrift {
    bytes: Vec<u8>,
    /// The last field's number in the structs that are open around this one.
    outer: Vec<i16>,
    last: i16,
}

impl Thrift {
    /// Fields grow by less than 16 from one to the next in all that is written here.
    fn field(&mut self, number: i16, kind: u8) {
        self.bytes.push(((number - self.last) as u8) << 4 | kind);
        self.last = number;
    }

    fn i32(&mut self, number: i16, value: i64) {
        self.field(number, I32);
        self.zigzag(value);
    }

    fn i64(&mut self, number: i16, value: i64) {
        self.field(number, I64);
        self.zigzag(value);
    }

    fn zigzag(&mut self, value: i64) {
        write_varint(&mut self.bytes, (value << 1 ^ value >> 63).cast_unsigned());
    }

    fn binary(&mut self, number: i16, value: &[u8]) {
        self.field(number, BINARY);
        self.text(value);
    }

    fn text(&mut self, value: &[u8]) {
        write_varint(&mut self.bytes, value.len() as u64);
        self.bytes.extend(value);
    }

    /// Begins a list; structs in it are written one after another, each with its [`Thrift::end`].
    fn list(&mut self, number: i16, count: usize, kind: u8) {
        self.field(number, LIST);
        if count < 15 {
            self.bytes.push((count as u8) << 4 | kind);
        } else {
            self.bytes.push(0xf0 | kind);
            write_varint(&mut self.bytes, count as u64);
        }
        // The fields of each struct count from 0, and after the last one those around the list go on.
        if kind == STRUCT && count > 0 {
            self.outer.push(self.last);
            self.outer.extend(std::iter::repeat_n(0, count - 1));
            self.last = 0;
        }
    }

    /// Begins a struct in a field.
    fn begin(&mut self, number: i16) {
        self.field(number, STRUCT);
        self.outer.push(self.last);
        self.last = 0;
    }

    fn end(&mut self) {
        self.bytes.push(0);
        self.last = self.outer.pop().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_protocol_says() {
        // The examples of the compact protocol's page.
        let varint = |value| {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            out
        };
        assert_eq!(varint(50_399), [0xdf, 0x89, 0x03]);
        let zigzag = |value| {
            let mut out = Thrift::default();
            out.zigzag(value);
            out.bytes
        };
        assert_eq!([zigzag(0), zigzag(-1), zigzag(1), zigzag(-2)].concat(), [0, 1, 2, 3]);
    }

    #[test]
    fn fields_are_counted_anew_in_every_struct() {
        let mut out = Thrift::default();
        out.i32(1, 1);
        out.list(2, 2, STRUCT);
        for _ in 0..2 {
            out.i32(3, 1);
            out.end();
        }
        out.i32(3, 1);
        out.begin(5);
        out.i32(2, 1);
        out.end();
        out.i32(6, 1);
        out.list(7, 0, STRUCT);
        out.i32(8, 1);
        out.end();
        let expected = [
            0x15, 2, 0x19, 0x2c, 0x35, 2, 0, 0x35, 2, 0, 0x15, 2, 0x2c, 0x25, 2, 0, 0x15, 2, 0x19, 0x0c,
            0x15, 2, 0,
        ];
        assert_eq!(out.bytes, expected);
    }

    #[test]
    fn levels_are_runs_and_bits_are_packed_from_the_lowest() {
        assert_eq!(levels([true, true, true, false, true].into_iter()), [6, 1, 2, 0, 2, 1]);
        let values = [true, false, true, true].map(Datum::Bool);
        assert_eq!(bits(values.iter().chain([&Datum::Null, &Datum::Bool(true)])), [0b1_1101]);
        assert_eq!(bits(std::iter::repeat_n(&Datum::Bool(true), 9)), [0xff, 1]);
    }

    #[test]
    fn a_page_holds_what_is_there_and_says_where_nothing_is() {
        let values = [Datum::Integer(-2), Datum::Null, Datum::Integer(1)];
        let page = page(Kind::Integer, values.iter());
        let body =
            [&[6, 0, 0, 0, 2, 1, 2, 0, 2, 1][..], &(-2i64).to_le_bytes(), &1i64.to_le_bytes()].concat();
        assert!(page.ends_with(&body));
        // Type 0, both sizes, then the data page's header: 3 values, plain, levels by runs.
        let size = (body.len() as u8) << 1;
        assert_eq!(
            page[..page.len() - body.len()],
            [0x15, 0, 0x15, size, 0x15, size, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]
        );
    }

    #[test]
    fn a_file_is_framed_and_its_groups_lie_where_the_footer_says() {
        let fields = vec![Field::new("a", Kind::Number), Field::new("b", Kind::Text)];
        let mut writer = Writer::new(fields, Vec::new());
        let mut file = writer.begin();
        for row in 0..=GROUP_ROWS {
            file.extend(writer.push(vec![Datum::Number(row as f64), Datum::Text("x".to_owned())]));
        }
        let first = file.len();
        assert!(first > 4, "a full group is written at once");
        let offsets: Vec<usize> = writer.groups[0].columns.iter().map(|(offset, _)| *offset).collect();
        assert!(offsets[0] == 4 && offsets.iter().all(|offset| file[*offset] == 0x15), "pages begin there");
        file.extend(writer.finish());
        assert!(file.starts_with(MAGIC) && file.ends_with(MAGIC));
        let footer = u32::from_le_bytes(file[file.len() - 8..file.len() - 4].try_into().unwrap()) as usize;
        assert!(first + footer + 8 < file.len(), "the second group lies before the footer");
    }
}
