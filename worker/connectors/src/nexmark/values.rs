//! The values of the columns: ids, prices, times and texts as Nexmark's own generator has them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "lengths are bounded by a block; generated values wrap on purpose"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringArray},
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
};

use super::{
    Options,
    columns::{Column, Leaf},
    event::{Event, Events},
    price::Prices,
    text,
};
use crate::random::{Field, high_below, low_below, wide_below};

const FIRST_ID: u64 = 1000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;
/// How many of the latest persons are active.
const ACTIVE_PERSONS: u64 = 1000;
/// How many auctions are open at a time.
const OPEN_AUCTIONS: u64 = 100;
/// How far ids run ahead of those that exist.
const ID_LEAD: u64 = 10;
/// One of so many ids is a hot one.
const HOT_EVERY: u64 = 100;
const CHANNELS: u64 = 10_000;
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const ITEM_NAME_MAX: u64 = 20;
const DESCRIPTION_MAX: u64 = 100;

/// What is made once for a source.
pub(super) struct Texts {
    fields: Vec<Field>,
    prices: Prices,
    /// Name and URL of each channel that is not hot.
    channels: Vec<(String, String)>,
    hot_urls: Vec<String>,
}

impl Texts {
    pub(super) fn new(seed: u64, columns: &[Column]) -> Self {
        let fields = (0..Leaf::ALL.len() as u64).map(|leaf| Field::new(seed, leaf)).collect();
        let paths = Field::new(seed, Leaf::ALL.len() as u64);
        let with_channels = columns.iter().any(|column| column.needs(&[Leaf::BidChannel, Leaf::BidUrl]));
        let count = if with_channels { CHANNELS } else { 0 };
        let hot_urls = (0..HOT_CHANNELS.len() as u64).map(|hot| base_url(paths, CHANNELS + hot)).collect();
        Self { fields, prices: Prices::new(), channels: (0..count).map(|n| channel(paths, n)).collect(), hot_urls }
    }
}

fn base_url(paths: Field, channel: u64) -> String {
    let mut random = paths.sequence(channel);
    let mut url = b"https://www.nexmark.com/".to_vec();
    for _ in 0..3 {
        let length = 3 + random.below(2);
        text::push_words(&mut url, length, b'_', &mut random);
        url.push(b'/');
    }
    url.extend_from_slice(b"item.htm?query=1");
    String::from_utf8_lossy(&url).into_owned()
}

/// Nine of ten channels have an id in their URL.
fn channel(paths: Field, number: u64) -> (String, String) {
    let mut url = base_url(paths, number);
    if high_below(paths.draw(CHANNELS * 2 + number), 10) > 0 {
        let id = (number as u32).reverse_bits() as i32;
        url.push_str(&format!("&channel_id={}", id.unsigned_abs()));
    }
    (format!("channel-{number}"), url)
}

/// Makes the values of one leaf.
pub(super) struct Maker<'a> {
    pub(super) events: &'a Events,
    pub(super) options: &'a Options,
    pub(super) texts: &'a Texts,
    /// The rows that have values; none given if all have.
    pub(super) validity: Option<&'a NullBuffer>,
}

impl Maker<'_> {
    fn field(&self, leaf: Leaf) -> Field {
        self.texts.fields[leaf as usize]
    }

    fn each(&self, value: impl Fn(Event) -> i64) -> ScalarBuffer<i64> {
        match self.validity {
            None => self.events.iter().map(value).collect(),
            Some(valid) => {
                let rows = self.events.iter().zip(valid.iter());
                rows.map(|(event, valid)| if valid { value(event) } else { 0 }).collect()
            }
        }
    }

    pub(super) fn longs(&self, leaf: Leaf) -> ScalarBuffer<i64> {
        let (field, shape, options) = (self.field(leaf), &self.options.shape, self.options);
        let prices = &self.texts.prices;
        match leaf {
            Leaf::PersonId => self.each(|event| (FIRST_ID + event.last_person(shape)) as i64),
            Leaf::AuctionId => self.each(|event| (FIRST_ID + event.last_auction(shape)) as i64),
            Leaf::AuctionInitialBid => self.each(|event| prices.price(field.draw(event.number))),
            Leaf::AuctionReserve => {
                let initial = self.field(Leaf::AuctionInitialBid);
                self.each(|event| prices.price(initial.draw(event.number)) + prices.price(field.draw(event.number)))
            }
            Leaf::AuctionSeller => self.each(|event| {
                let last = event.last_person(shape);
                person(field.draw(event.number), last, options.hot_sellers, last / HOT_EVERY * HOT_EVERY)
            }),
            Leaf::AuctionCategory => {
                self.each(|event| FIRST_CATEGORY + high_below(field.draw(event.number), CATEGORIES) as i64)
            }
            Leaf::BidAuction => {
                self.each(|event| auction(field.draw(event.number), event.last_auction(shape), options.hot_auctions))
            }
            Leaf::BidBidder => self.each(|event| {
                let last = event.last_person(shape);
                let bidder =
                    person(field.draw(event.number), last, options.hot_bidders, last / HOT_EVERY * HOT_EVERY + 1);
                // Nexmark's own generator adds the first id twice.
                bidder + FIRST_ID as i64
            }),
            _ => self.each(|event| prices.price(field.draw(event.number))),
        }
    }

    pub(super) fn times(&self, leaf: Leaf) -> ScalarBuffer<i64> {
        let shape = &self.options.shape;
        let base = shape.base_ms;
        if leaf != Leaf::AuctionExpires {
            return self.events.elapsed_ms().iter().map(|elapsed| base + *elapsed as i64).collect();
        }
        // Auctions stay open for as long as it takes to open the others that are open, on average.
        let field = self.field(leaf);
        let ahead = OPEN_AUCTIONS * shape.round() / shape.auctions;
        self.each(|event| {
            let elapsed = shape.elapsed_ms(event.number);
            let horizon = shape.elapsed_ms(event.number + ahead) - elapsed;
            let open = 1 + wide_below(field.draw(event.number), (horizon * 2).max(1));
            base + (elapsed + open) as i64
        })
    }

    pub(super) fn strings(&self, leaf: Leaf) -> ArrayRef {
        let rows = self.events.len();
        let per_row = match leaf {
            Leaf::BidExtra => self.options.bid_size,
            Leaf::AuctionExtra => self.options.auction_size,
            Leaf::PersonExtra => self.options.person_size,
            Leaf::BidUrl => 80,
            Leaf::AuctionDescription => DESCRIPTION_MAX,
            _ => 20,
        };
        let mut bytes: Vec<u8> = Vec::with_capacity(rows * per_row as usize + 64);
        let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
        offsets.push(0);
        self.write_strings(leaf, &mut bytes, &mut offsets);
        let offsets = OffsetBuffer::new(offsets.into());
        Arc::new(StringArray::new(offsets, Buffer::from_vec(bytes), self.validity.cloned()))
    }

    fn write_strings(&self, leaf: Leaf, bytes: &mut Vec<u8>, offsets: &mut Vec<i32>) {
        let field = self.field(leaf);
        let draw = |event: Event| field.draw(event.number);
        match leaf {
            Leaf::BidChannel => self.write(bytes, offsets, |event, out| {
                let name = match self.channel(event) {
                    Channel::Hot(hot) => HOT_CHANNELS[hot],
                    Channel::Other(other) => self.texts.channels[other].0.as_str(),
                };
                out.extend_from_slice(name.as_bytes());
            }),
            Leaf::BidUrl => self.write(bytes, offsets, |event, out| {
                let url = match self.channel(event) {
                    Channel::Hot(hot) => &self.texts.hot_urls[hot],
                    Channel::Other(other) => &self.texts.channels[other].1,
                };
                out.extend_from_slice(url.as_bytes());
            }),
            Leaf::BidExtra => self.write(bytes, offsets, |event, out| {
                text::push_extra(
                    out,
                    text::extra_length(draw(event), 32, self.options.bid_size),
                    &mut field.sequence(event.number),
                );
            }),
            Leaf::AuctionItem => self.write(bytes, offsets, |event, out| {
                let length = text::words_length(draw(event), ITEM_NAME_MAX);
                text::push_words(out, length, b' ', &mut field.sequence(event.number));
            }),
            Leaf::AuctionDescription => self.write(bytes, offsets, |event, out| {
                let length = text::words_length(draw(event), DESCRIPTION_MAX);
                text::push_words(out, length, b' ', &mut field.sequence(event.number));
            }),
            Leaf::AuctionExtra => self.write(bytes, offsets, |event, out| {
                let length_of = |leaf, max| text::words_length(self.field(leaf).draw(event.number), max);
                let size = 48
                    + length_of(Leaf::AuctionItem, ITEM_NAME_MAX)
                    + length_of(Leaf::AuctionDescription, DESCRIPTION_MAX);
                let length = text::extra_length(draw(event), size, self.options.auction_size);
                text::push_extra(out, length, &mut field.sequence(event.number));
            }),
            Leaf::PersonName => self.write(bytes, offsets, |event, out| {
                let bits = draw(event);
                out.extend_from_slice(text::first_name(bits).as_bytes());
                out.push(b' ');
                out.extend_from_slice(text::last_name(bits).as_bytes());
            }),
            Leaf::PersonEmail => self.write(bytes, offsets, |event, out| {
                let mut random = field.sequence(event.number);
                text::push_words(out, 3 + random.below(5), b'_', &mut random);
                out.push(b'@');
                text::push_words(out, 3 + random.below(3), b'_', &mut random);
                out.extend_from_slice(b".com");
            }),
            Leaf::PersonCard => {
                self.write(bytes, offsets, |event, out| text::push_credit_card(out, draw(event)));
            }
            Leaf::PersonCity => {
                self.write(bytes, offsets, |event, out| out.extend_from_slice(text::city(draw(event)).as_bytes()));
            }
            Leaf::PersonState => {
                self.write(bytes, offsets, |event, out| out.extend_from_slice(text::state(draw(event)).as_bytes()));
            }
            _ => self.write(bytes, offsets, |event, out| {
                // What the other texts of a person take on average.
                let length = text::extra_length(draw(event), 64, self.options.person_size);
                text::push_extra(out, length, &mut field.sequence(event.number));
            }),
        }
    }

    #[inline(always)]
    fn write(&self, bytes: &mut Vec<u8>, offsets: &mut Vec<i32>, value: impl Fn(Event, &mut Vec<u8>)) {
        for (row, event) in self.events.iter().enumerate() {
            if self.validity.is_none_or(|valid| valid.is_valid(row)) {
                value(event, bytes);
            }
            offsets.push(bytes.len() as i32);
        }
    }

    /// Half of the bids come over the hot channels. The URL uses the channel's draws.
    #[inline(always)]
    fn channel(&self, event: Event) -> Channel {
        let bits = self.field(Leaf::BidChannel).draw(event.number);
        if bits & 1 == 1 {
            Channel::Hot(high_below(bits, HOT_CHANNELS.len() as u64) as usize)
        } else {
            Channel::Other(high_below(bits, CHANNELS) as usize)
        }
    }
}

enum Channel {
    Hot(usize),
    Other(usize),
}

/// A person's id: one of `ratio` is any of the active ones or one of the next, all others are the hot one.
#[inline(always)]
fn person(bits: u64, last: u64, ratio: u64, hot: u64) -> i64 {
    let id = if low_below(bits, ratio) > 0 {
        hot
    } else {
        let persons = last + 1;
        let active = persons.min(ACTIVE_PERSONS);
        persons - active + high_below(bits, active + ID_LEAD)
    };
    (FIRST_ID + id) as i64
}

/// An auction's id: one of `ratio` is any of the open ones or one of the next, all others are the hot one.
#[inline(always)]
fn auction(bits: u64, last: u64, ratio: u64) -> i64 {
    let id = if low_below(bits, ratio) > 0 {
        last / HOT_EVERY * HOT_EVERY
    } else {
        let oldest = last.saturating_sub(OPEN_AUCTIONS);
        oldest + high_below(bits, last - oldest + 1 + ID_LEAD)
    };
    (FIRST_ID + id) as i64
}
