//! Changes of plan, quantity and price, case by case.

use super::*;
