import Foundation
import Tensors
import Testing
import Training

struct StepHealthTests {
  /// A loss that falls from 6 to 3 with noise, and a norm that varies by a factor of two.
  private func sound(_ step: Int) -> (loss: Double, norm: Double) {
    let random = CounterRandom(seed: 1, stream: "health")
    let noise = (0..<12).reduce(-6.0) { $0 + Double(random.uniform(UInt64(step * 12 + $1))) }
    let other = (0..<12).reduce(-6.0) { $0 + Double(random.uniform(UInt64((step + 1_000_000) * 12 + $1))) }
    return (3 + 3 * exp(-Double(step) / 500) + 0.05 * noise, exp(0.35 * other))
  }

  private func afterSteps(_ count: Int) -> StepHealth {
    var health = StepHealth()
    for step in 0..<count {
      let values = sound(step)
      health.accept(loss: values.loss, gradientNorm: values.norm)
    }
    return health
  }

  @Test func aSoundRunHasNoSpikes() {
    var health = StepHealth()
    for step in 0..<100_000 {
      let values = sound(step)
      #expect(health.judge(loss: values.loss, gradientNorm: values.norm) == .sound, "step \(step)")
      health.accept(loss: values.loss, gradientNorm: values.norm)
    }
  }

  @Test func whatStandsOutIsNamed() {
    let health = afterSteps(2000)
    guard case .spike(let loss) = health.judge(loss: 4, gradientNorm: 1) else {
      Issue.record("a loss of 4 is no spike")
      return
    }
    #expect(loss.hasPrefix("a loss of 4, "))
    guard case .spike(let norm) = health.judge(loss: 3, gradientNorm: 100) else {
      Issue.record("a norm of 100 is no spike")
      return
    }
    #expect(norm.hasPrefix("a gradient norm of 100, "))
    #expect(health.judge(loss: 1, gradientNorm: 0.001) == .sound, "less is no spike")
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func whatIsNoNumberIsNone(value: Double) {
    #expect(StepHealth().judge(loss: value, gradientNorm: 1) == .noNumber)
    #expect(StepHealth().judge(loss: 1, gradientNorm: value) == .noNumber)
  }

  @Test func aRunThatHardlyVariesHasNoSmallSpikes() {
    var health = StepHealth()
    for _ in 0..<50 { health.accept(loss: 2, gradientNorm: 1) }
    #expect(health.judge(loss: 2.29, gradientNorm: 49) == .sound)
    #expect(health.judge(loss: 2.31, gradientNorm: 1) != .sound)
    #expect(health.judge(loss: 2, gradientNorm: 50) != .sound)
  }

  @Test func theFirstStepsSayNothing() {
    #expect(afterSteps(StepHealth.shortestWindow - 1).judge(loss: 1e6, gradientNorm: 1e6) == .sound)
    #expect(afterSteps(StepHealth.shortestWindow).judge(loss: 1e6, gradientNorm: 1) != .sound)
  }

  @Test func aCheckpointRemembersIt() throws {
    var health = afterSteps(120)
    health.skip()
    let text = try JSONDecoder().decode(TextIdentity.self, from: Data(#"{"digest":"0","sequenceCount":3}"#.utf8))
    let state = TrainerState(step: 120, configuration: TrainingConfiguration(), text: text, health: health)
    #expect(try TrainerState(json: state.json(), path: "x").health == health)
  }

  @Test func aMajorityNamesTheOddOnes() {
    #expect(DigestVote([5, 5, 5]) == nil)
    #expect(DigestVote([5, 5, 6])?.odd == [2])
    #expect(DigestVote([7, 5, 5, 6, 5])?.odd == [0, 3])
    #expect(DigestVote([5, 6])?.odd == [])
    #expect(DigestVote([5, 5, 6, 6])?.odd == [])
  }
}
