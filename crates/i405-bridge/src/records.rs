//! Records into typed arrays, one for each field: a batch of thousands of slots costs JavaScript a handful of objects.

use i405_rt::{ArrivalRecord, DepartureRecord, Recorded, SlotRecord};
use neon::prelude::*;
use neon::types::JsTypedArray;
use neon::types::buffer::{Binary, TypedArray};

use crate::field::set_number;

fn set_column<'cx, Record, T: Binary>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    name: &str,
    from: &Recorded<Record>,
    field: impl Fn(&Record) -> T,
) -> NeonResult<()>
where
    JsTypedArray<T>: Value,
{
    let mut column = JsTypedArray::<T>::new(cx, from.records.len())?;
    for (place, record) in column.as_mut_slice(cx).iter_mut().zip(&from.records) {
        *place = field(record);
    }
    to.set(cx, name, column)?;
    Ok(())
}

pub(crate) fn slots<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    from: &Recorded<SlotRecord>,
) -> NeonResult<()> {
    set_number(cx, to, "dropped", from.dropped as f64)?;
    set_column(cx, to, "deadlineNs", from, |slot| slot.deadline_ns)?;
    set_column(cx, to, "calledNs", from, |slot| slot.called_ns)?;
    set_column(cx, to, "generation", from, |slot| slot.under.generation)?;
    set_column(cx, to, "counter", from, |slot| slot.under.counter)?;
    set_column(cx, to, "missed", from, |slot| slot.missed)
}

pub(crate) fn departures<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    from: &Recorded<DepartureRecord>,
) -> NeonResult<()> {
    set_number(cx, to, "dropped", from.dropped as f64)?;
    set_column(cx, to, "deadlineNs", from, |slot| slot.deadline_ns)?;
    set_column(cx, to, "leftNs", from, |slot| slot.left_ns)
}

pub(crate) fn arrivals<'cx>(
    cx: &mut impl Context<'cx>,
    to: Handle<'cx, JsObject>,
    from: &Recorded<ArrivalRecord>,
) -> NeonResult<()> {
    set_number(cx, to, "dropped", from.dropped as f64)?;
    set_column(cx, to, "receivedNs", from, |datagram| datagram.received_ns)?;
    set_column(cx, to, "generation", from, |datagram| datagram.generation)?;
    set_column(cx, to, "counter", from, |datagram| datagram.counter)
}
