import Communication
import Foundation
import Testing
import Training

struct TrainingConfigurationTests {
  private func options(_ change: (inout TrainingOptions) -> Void) -> TrainingOptions {
    var options = TrainingOptions()
    change(&options)
    return options
  }

  @Test func defaultsAreThoseOfTheDocumentation() throws {
    let configuration = try TrainingOptions().configuration(maximumPositions: 1024)
    #expect(configuration == TrainingConfiguration())
    #expect(configuration.batchTokens == 4096)
    #expect(configuration.gradientClip == 1)
    #expect(configuration.optimizer.weightDecay == 0.1)
    #expect(configuration.optimizer.beta1 == 0.9 && configuration.optimizer.beta2 == 0.95)
  }

  @Test func tokensInFlagsBecomeSequences() throws {
    let configuration = try options {
      $0.sequenceLength = 128
      $0.batchTokens = 1024
      $0.microBatchTokens = 256
    }.configuration(maximumPositions: 128)
    #expect(configuration.batchSequences == 8)
    #expect(configuration.microBatchSequences == 2)
  }

  @Test func aTokenFileDictatesTheSequenceLength() throws {
    let configuration = try options { $0.batchTokens = 48 }
      .configuration(corpusSequenceLength: 24, maximumPositions: 256)
    #expect(configuration.sequenceLength == 24)
    #expect(configuration.batchSequences == 2)
    #expect(throws: TrainingError.self) {
      try options { $0.sequenceLength = 32 }.configuration(corpusSequenceLength: 24, maximumPositions: 256)
    }
  }

  @Test func aClipOfZeroIsOff() throws {
    let configuration = try options { $0.gradientClip = 0 }.configuration(maximumPositions: 256)
    #expect(configuration.gradientClip == nil)
  }

  @Test func aShortScheduleWarmsUpForATenth() throws {
    #expect(try options { $0.steps = 40 }.configuration(maximumPositions: 256).warmUpSteps == 4)
    #expect(try options { $0.steps = 5 }.configuration(maximumPositions: 256).warmUpSteps == 0)
    #expect(try options { $0.steps = 100_000 }.configuration(maximumPositions: 256).warmUpSteps == 100)
  }

  static let impossible: [(flag: String, change: @Sendable (inout TrainingOptions) -> Void)] = [
    ("--steps", { $0.steps = 0 }), ("--steps", { $0.steps = -3 }),
    ("--stop-after", { $0.stopAfter = 501 }), ("--stop-after", { $0.stopAfter = 0 }),
    ("--sequence-length", { $0.sequenceLength = 2048 }), ("--sequence-length", { $0.sequenceLength = 0 }),
    ("--sequence-length", { $0.sequenceLength = -1 }), ("--batch-tokens", { $0.batchTokens = 100 }),
    ("--batch-tokens", { $0.batchTokens = 0 }), ("--batch-tokens", { $0.batchTokens = -256 }),
    ("--micro-batch-tokens", { $0.microBatchTokens = 8192 }), ("--micro-batch-tokens", { $0.microBatchTokens = 1 }),
    ("--learning-rate", { $0.learningRate = 0 }), ("--learning-rate", { $0.learningRate = .nan }),
    ("--learning-rate", { $0.learningRate = .infinity }), ("--warmup", { $0.warmUpSteps = -1 }),
    ("--warmup", { $0.warmUpSteps = 501 }), ("--weight-decay", { $0.weightDecay = -0.1 }),
    ("--beta2", { $0.beta2 = 1 }), ("--gradient-clip", { $0.gradientClip = -1 }),
    ("--capacity-factor", { $0.capacityFactor = 0 }), ("--capacity-factor", { $0.capacityFactor = .nan }),
    ("--checkpoint-every", { $0.checkpointEvery = 0 }), ("--evaluate-every", { $0.evaluateEvery = -5 }),
  ]

  @Test("an impossible flag is refused by its name", arguments: impossible.indices)
  func refused(index: Int) {
    let (flag, change) = Self.impossible[index]
    let error = #expect(throws: TrainingError.self) {
      try options(change).configuration(maximumPositions: 1024)
    }
    #expect(error?.message.hasPrefix(flag + " ") == true, "\(error?.message ?? "none")")
    #expect(error?.refusal.kind == .usage)
    #expect(error?.message.contains("\n") == false)
  }

  @Test func aResumedRunKeepsWhatIsNotSaid() throws {
    let saved = try options {
      $0.steps = 80
      $0.stopAfter = 10
      $0.learningRate = 3e-3
      $0.batchTokens = 2048
      $0.gradientClip = 0
      $0.capacityFactor = 1.25
      $0.seed = 7
    }.configuration(maximumPositions: 256)
    var expected = saved
    expected.stopAfter = nil
    #expect(try TrainingOptions().configuration(resuming: saved, maximumPositions: 256) == expected)
    let changed = try options { $0.learningRate = 1e-4 }.configuration(resuming: saved, maximumPositions: 256)
    #expect(changed.learningRate == 1e-4)
    #expect(changed.gradientClip == nil)
  }

  @Test func aResumedRunRefusesAnotherOrderOfTheText() throws {
    let saved = try TrainingOptions().configuration(maximumPositions: 512)
    for change: (inout TrainingOptions) -> Void in [
      { $0.seed = 1 }, { $0.batchTokens = 8192 }, { $0.sequenceLength = 128 },
    ] {
      let error = #expect(throws: TrainingError.self) {
        try options(change).configuration(resuming: saved, maximumPositions: 512)
      }
      #expect(error?.code == .contradictsCheckpoint)
    }
  }

  @Test func aConfigurationSurvivesItsFile() throws {
    let configuration = try options {
      $0.capacityFactor = 1.25
      $0.evaluateEvery = 3
      $0.learningRate = 0.1 + 0.2
    }.configuration(maximumPositions: 512)
    let data = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(TrainingConfiguration.self, from: data) == configuration)
  }

  @Test func checkpointsAndEvaluationsFallDueOnTheirSteps() throws {
    let configuration = try options {
      $0.steps = 10
      $0.stopAfter = 7
      $0.checkpointEvery = 3
      $0.evaluateEvery = 4
    }.configuration(maximumPositions: 512)
    #expect((1...7).filter(configuration.savesAfter) == [3, 6, 7])
    #expect((1...10).filter(configuration.evaluatesAfter) == [4, 8, 10])
  }
}
