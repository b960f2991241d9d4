//! This makes a thread a timed one and keeps it so: scheduling class, core, margin, letting go of the core, burners.
//! It hears when slots are, and knows nothing of what they hold.

pub mod breath;
pub mod burner;
pub mod cgroup;
pub mod margin;
pub mod priority;
pub mod quantile;
pub mod refusal;
pub mod timed_thread;
pub mod turn_cost;
