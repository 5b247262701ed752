import Communication
import Testing
import Training

/// `trainer_state.json` as a file that may say anything.
struct TrainerStateTests {
  private static func json(step: Int = 4, batchSequences: Int = 2, warmUpSteps: Int = 10) -> [UInt8] {
    let text = """
      {"version": 1, "step": \(step), "text": {"sequenceCount": 12, "digest": "00"}, "configuration": {
        "stepCount": 100, "sequenceLength": 32, "batchSequences": \(batchSequences), "microBatchSequences": 1,
        "learningRate": 0.001, "schedule": "cosine", "warmUpSteps": \(warmUpSteps), "seed": 7,
        "optimizer": {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.1}}}
      """
    return Array(text.utf8)
  }

  @Test func isReadBack() throws {
    let state = try TrainerState(json: Self.json(), path: "c")
    #expect(state.step == 4 && state.configuration.batchTokens == 64)
    #expect(try TrainerState(json: state.json(), path: "c") == state)
  }

  @Test(
    "numbers whose products or sums overflow are refused",
    arguments: [json(batchSequences: .max), json(batchSequences: 1 << 60), json(warmUpSteps: -1), json(step: .max)])
  func absurdNumbers(json: [UInt8]) {
    let error = #expect(throws: TrainingError.self) { try TrainerState(json: json, path: "c") }
    #expect(error?.code == .unreadableState)
  }
}
