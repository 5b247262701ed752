import Testing
import Training

struct LearningRateScheduleTests {
  @Test func warmUpRisesLinearlyToThePeakFromItsFirstStepOn() {
    let schedule = LearningRateSchedule(.constant, peak: 0.4, warmUpSteps: 4, stepCount: 10)
    let rates = (0..<4).map(schedule.rate)
    for (rate, expected) in zip(rates, [0.1, 0.2, 0.3, 0.4]) { #expect(abs(rate - expected) < 1e-15) }
    #expect(schedule.rate(step: 3) == 0.4)
  }

  @Test func constantStaysAtThePeak() {
    let schedule = LearningRateSchedule(.constant, peak: 1e-3, warmUpSteps: 0, stepCount: 5)
    #expect((0..<100).allSatisfy { schedule.rate(step: $0) == 1e-3 })
  }

  @Test func cosineFallsFromThePeakToATenth() {
    let schedule = LearningRateSchedule(.cosine, peak: 1, warmUpSteps: 2, stepCount: 10)
    #expect(schedule.rate(step: 1) == 1)
    #expect(schedule.rate(step: 2) == 1)
    #expect(abs(schedule.rate(step: 6) - 0.55) < 1e-12)
    // cos(π/4) at a quarter of the way.
    #expect(abs(schedule.rate(step: 4) - (0.1 + 0.9 * (1 + 0.5.squareRoot()) / 2)) < 1e-12)
    #expect(abs(schedule.rate(step: 10) - 0.1) < 1e-12)
    for step in 2..<10 { #expect(schedule.rate(step: step + 1) < schedule.rate(step: step)) }
  }

  @Test func cosineStaysAtItsFloorAfterTheLastStep() {
    let schedule = LearningRateSchedule(.cosine, peak: 1, warmUpSteps: 0, stepCount: 4)
    #expect(abs(schedule.rate(step: 1000) - 0.1) < 1e-12)
  }

  @Test func aScheduleThatIsAllWarmUpHasNoCosine() {
    let schedule = LearningRateSchedule(.cosine, peak: 1, warmUpSteps: 4, stepCount: 4)
    #expect((0..<4).map(schedule.rate) == [0.25, 0.5, 0.75, 1])
  }
}
