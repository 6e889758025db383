//! Walks over the syntax tree. The library's walk is generic and is compiled anew, whole, for each visitor; here all
//! visitors share one of it. Knows nothing of what they look for.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

/// Has `visitor` visit a node and all below it.
pub(crate) fn walk<V: Visitor>(node: &impl Visit, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut steps = Kept { visitor, broken: None };
    let flow = node.visit(&mut Shared(&mut steps));
    ended(flow, steps.broken)
}

/// Has `visitor` visit and change a node and all below it.
pub(crate) fn walk_mut<V: VisitorMut>(node: &mut impl VisitMut, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut steps = Kept { visitor, broken: None };
    let flow = node.visit(&mut SharedMut(&mut steps));
    ended(flow, steps.broken)
}

/// Calls `f` for each expression, before those within it.
pub(crate) fn expressions<E>(node: &impl Visit, f: impl FnMut(&Expr) -> ControlFlow<E>) -> ControlFlow<E> {
    struct Each<F>(F);
    impl<E, F: FnMut(&Expr) -> ControlFlow<E>> Visitor for Each<F> {
        type Break = E;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<E> {
            (self.0)(expr)
        }
    }
    walk(node, &mut Each(f))
}

/// Calls `f` for each expression, behind those within it.
pub(crate) fn expressions_mut<E>(
    node: &mut impl VisitMut,
    f: impl FnMut(&mut Expr) -> ControlFlow<E>,
) -> ControlFlow<E> {
    struct Each<F>(F);
    impl<E, F: FnMut(&mut Expr) -> ControlFlow<E>> VisitorMut for Each<F> {
        type Break = E;

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<E> {
            (self.0)(expr)
        }
    }
    walk_mut(node, &mut Each(f))
}

fn ended<B>(flow: ControlFlow<()>, broken: Option<B>) -> ControlFlow<B> {
    match (flow, broken) {
        (ControlFlow::Break(()), Some(value)) => ControlFlow::Break(value),
        _ => ControlFlow::Continue(()),
    }
}

/// A visitor, and what it has ended its walk with.
struct Kept<'a, V, B> {
    visitor: &'a mut V,
    broken: Option<B>,
}

impl<V, B> Kept<'_, V, B> {
    fn keep(&mut self, flow: ControlFlow<B>) -> ControlFlow<()> {
        flow.map_break(|value| self.broken = Some(value))
    }
}

/// The steps of a visitor without its type, and the one visitor that the library knows.
macro_rules! shared {
    ($shared:ident, $steps:ident, $visitor:ident, $($step:ident: $node:ty,)*) => {
        trait $steps {
            $(fn $step(&mut self, node: $node) -> ControlFlow<()>;)*
        }

        impl<V: $visitor> $steps for Kept<'_, V, V::Break> {
            $(fn $step(&mut self, node: $node) -> ControlFlow<()> {
                let flow = self.visitor.$step(node);
                self.keep(flow)
            })*
        }

        struct $shared<'a>(&'a mut dyn $steps);

        impl $visitor for $shared<'_> {
            type Break = ();

            $(fn $step(&mut self, node: $node) -> ControlFlow<()> {
                self.0.$step(node)
            })*
        }
    };
}

shared! {
    Shared, Steps, Visitor,
    pre_visit_query: &Query,
    post_visit_query: &Query,
    pre_visit_select: &Select,
    post_visit_select: &Select,
    pre_visit_relation: &ObjectName,
    post_visit_relation: &ObjectName,
    pre_visit_table_factor: &TableFactor,
    post_visit_table_factor: &TableFactor,
    pre_visit_expr: &Expr,
    post_visit_expr: &Expr,
    pre_visit_statement: &Statement,
    post_visit_statement: &Statement,
    pre_visit_value: &ValueWithSpan,
    post_visit_value: &ValueWithSpan,
}

shared! {
    SharedMut, StepsMut, VisitorMut,
    pre_visit_query: &mut Query,
    post_visit_query: &mut Query,
    pre_visit_select: &mut Select,
    post_visit_select: &mut Select,
    pre_visit_relation: &mut ObjectName,
    post_visit_relation: &mut ObjectName,
    pre_visit_table_factor: &mut TableFactor,
    post_visit_table_factor: &mut TableFactor,
    pre_visit_expr: &mut Expr,
    post_visit_expr: &mut Expr,
    pre_visit_statement: &mut Statement,
    post_visit_statement: &mut Statement,
    pre_visit_value: &mut ValueWithSpan,
    post_visit_value: &mut ValueWithSpan,
}
