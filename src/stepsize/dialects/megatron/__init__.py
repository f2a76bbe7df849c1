"""Megatron-LM's schedules: rate, weight decay and batch size, by update."""

from stepsize.dialects.megatron.batch_size import (
    ConstantNumMicroBatchesCalculator,
    RampupBatchsizeNumMicroBatchesCalculator,
    StepBatchsizeNumMicroBatchesCalculator,
    init_num_microbatches_calculator,
    rate_equivalent,
)
from stepsize.dialects.megatron.param_scheduler import (
    OptimizerParamScheduler,
    OptimizerParamScheduler_weight_decay,
)

__all__ = [
    "ConstantNumMicroBatchesCalculator",
    "OptimizerParamScheduler",
    "OptimizerParamScheduler_weight_decay",
    "RampupBatchsizeNumMicroBatchesCalculator",
    "StepBatchsizeNumMicroBatchesCalculator",
    "init_num_microbatches_calculator",
    "rate_equivalent",
]
