//! Evaluated arguments: an array, or one value that stands for every row.

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Datum, PrimitiveArray, StringArray,
        UInt64Array,
    },
    buffer::NullBuffer,
    compute,
};
use model::{DataType, Failure};

/// An evaluated expression: an array of the batch's length, or of length one if it is the same for every row.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) array: ArrayRef,
    pub(crate) scalar: bool,
}

impl Datum for Arg {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.scalar)
    }
}

impl Arg {
    pub(crate) fn array(array: ArrayRef) -> Self {
        Self { array, scalar: false }
    }

    pub(crate) fn scalar(array: ArrayRef) -> Self {
        debug_assert_eq!(array.len(), 1, "a scalar has one value");
        Self { array, scalar: true }
    }

    /// An array with a value for each of `rows` rows.
    pub(crate) fn into_array(self, rows: usize) -> Result<ArrayRef, Failure> {
        if !self.scalar || rows == 1 {
            return Ok(self.array);
        }
        Ok(compute::take(&self.array, &UInt64Array::from_value(0, rows), None)?)
    }

    /// Where the value of a row stands in the array.
    pub(crate) fn index(&self, row: usize) -> usize {
        if self.scalar { 0 } else { row }
    }
}

/// What a kernel computes on.
pub(crate) struct Inputs<'a> {
    pub(crate) args: &'a [Arg],
    /// Rows of the result: one if all arguments are scalars.
    pub(crate) rows: usize,
    pub(crate) result: &'a DataType,
}

/// A text argument by row.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    array: &'a StringArray,
    mask: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(array: &'a StringArray, scalar: bool) -> Self {
        Self { array, mask: if scalar { 0 } else { usize::MAX } }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        let row = row & self.mask;
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// A bytes argument by row.
#[derive(Clone, Copy)]
pub(crate) struct Binary<'a> {
    array: &'a BinaryArray,
    mask: usize,
}

impl<'a> Binary<'a> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&'a [u8]> {
        let row = row & self.mask;
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// A boolean argument by row.
#[derive(Clone, Copy)]
pub(crate) struct Booleans<'a> {
    array: &'a BooleanArray,
    mask: usize,
}

impl Booleans<'_> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<bool> {
        let row = row & self.mask;
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

/// A primitive argument by row.
#[derive(Clone, Copy)]
pub(crate) struct Primitive<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    mask: usize,
}

impl<T: ArrowPrimitiveType> Primitive<'_, T> {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<T::Native> {
        let row = row & self.mask;
        if self.array.is_null(row) { None } else { Some(self.array.value(row)) }
    }
}

impl<'a> Inputs<'a> {
    pub(crate) fn len(&self) -> usize {
        self.args.len()
    }

    pub(crate) fn arg(&self, index: usize) -> Result<&'a Arg, Failure> {
        self.args.get(index).ok_or_else(|| Failure::internal(format!("argument {index} is missing")))
    }

    fn mask(arg: &Arg) -> usize {
        if arg.scalar { 0 } else { usize::MAX }
    }

    pub(crate) fn text(&self, index: usize) -> Result<Text<'a>, Failure> {
        let arg = self.arg(index)?;
        let array = arg.array.as_string_opt::<i32>().ok_or_else(|| unexpected(index, &arg.array))?;
        Ok(Text { array, mask: Self::mask(arg) })
    }

    pub(crate) fn binary(&self, index: usize) -> Result<Binary<'a>, Failure> {
        let arg = self.arg(index)?;
        let array = arg.array.as_binary_opt::<i32>().ok_or_else(|| unexpected(index, &arg.array))?;
        Ok(Binary { array, mask: Self::mask(arg) })
    }

    pub(crate) fn booleans(&self, index: usize) -> Result<Booleans<'a>, Failure> {
        let arg = self.arg(index)?;
        let array = arg.array.as_boolean_opt().ok_or_else(|| unexpected(index, &arg.array))?;
        Ok(Booleans { array, mask: Self::mask(arg) })
    }

    pub(crate) fn primitive<T: ArrowPrimitiveType>(&self, index: usize) -> Result<Primitive<'a, T>, Failure> {
        let arg = self.arg(index)?;
        let array = arg.array.as_primitive_opt::<T>().ok_or_else(|| unexpected(index, &arg.array))?;
        Ok(Primitive { array, mask: Self::mask(arg) })
    }

    /// Null where any argument is.
    pub(crate) fn nulls(&self) -> Option<NullBuffer> {
        let mut nulls = None;
        for arg in self.args {
            if !arg.scalar {
                nulls = NullBuffer::union(nulls.as_ref(), arg.array.logical_nulls().as_ref());
            } else if arg.array.is_null(0) {
                return Some(NullBuffer::new_null(self.rows));
            }
        }
        nulls
    }
}

fn unexpected(index: usize, array: &ArrayRef) -> Failure {
    Failure::internal(format!("argument {index} is {}", array.data_type()))
}
