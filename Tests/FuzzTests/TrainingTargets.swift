import Foundation
import TestSupport
import Training

/// What a run leaves for the run that goes on from it.
enum TrainingTargets {
  static let all = [trainerState, metrics]

  private static let trainerState = FuzzTarget(
    "trainer state", refusal: TrainingError.self,
    seeds: FuzzTargets.bytes([
      #"{"version":1,"step":40,"text":{"sequenceCount":12,"digest":"00112233445566aa"},"configuration":{"stepCount":100,"#
        + #""sequenceLength":32,"batchSequences":4,"microBatchSequences":2,"learningRate":0.001,"schedule":"cosine","#
        + #""warmUpSteps":10,"optimizer":{"beta1":0.9,"beta2":0.95,"epsilon":1e-8,"weightDecay":0.1},"gradientClip":1,"#
        + #""seed":7,"stopAfter":50,"checkpointEvery":10,"evaluateEvery":5,"mostSkippedSteps":2},"#
        + #""health":{"losses":[3.5,3.25],"logNorms":[0.5,-0.25],"skippedInARow":1}}"#
    ]), words: ["capacityFactor", "stopAfter", "constant", "version"]
  ) { input in
    let state = try TrainerState(json: input, path: "t")
    try hold(state.step >= 0, "step \(state.step)")
    try state.configuration.validate(maximumPositions: 64)
    let rate = state.configuration.learningRateSchedule.rate(step: state.step)
    try hold(rate.isFinite, "the learning rate is \(rate)")
    if var health = state.health {
      _ = health.judge(loss: 3, gradientNorm: 1)
      health.skip()
      health.accept(loss: 3, gradientNorm: 1)
    }
    _ = state.configuration.savesAfter(step: state.step)
    _ = state.configuration.evaluatesAfter(step: state.step)
    try hold(try TrainerState(json: state.json(), path: "t") == state, "it is not read back as it was written")
  }

  private static let metrics = FuzzTarget(
    "metrics file", refusal: TrainingError.self,
    seeds: FuzzTargets.bytes([
      "{\"step\":1,\"loss\":5.5}\n{\"step\":2,\"loss\":5.25}\n{\"step\":3,\"loss\":5}\n{\"ste"
    ]), words: ["\n", "step"]
  ) { input in
    let kept = try MetricsFile.linesUpTo(step: 2, in: Data(input), path: "m")
    try hold(kept.count <= input.count && (kept.isEmpty || kept.last == UInt8(ascii: "\n")), "torn lines are kept")
    try hold(try MetricsFile.linesUpTo(step: 2, in: kept, path: "m") == kept, "cutting it twice cuts more")
  }
}
