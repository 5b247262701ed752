import Planning
import TestSupport
import Testing
import Topology

/// What rank 0 does with a small exchange, line by line: actions, and behind `<` what is reported before the next.
///
/// There is an expert per rank. With two ranks, each rank has 32 rows for each expert, which travel by 16: so rank 0
/// has the tasks 0 and 1 with its own rows, 2 and 3 with one chunk of rank 1 each. With three ranks, 16 rows for each
/// expert: task 0 has own rows, tasks 1 and 2 those of ranks 1 and 2.
@Suite("Schedules in words")
struct ScheduleTextTests {
  @Test("sequential, forward")
  func sequentialForward() {
    expect(
      .sequential, ranks: 2,
      """
      send 1.0
      send 1.1
      await
      < arrived 1
      < sent 1
      < sent 1
      await
      < arrived 1
      compute 0 1 2 3
      return 1.0
      return 1.1
      await
      < returned 1
      < sent 1
      < sent 1
      await
      < returned 1
      finish
      """)
  }

  @Test("sequential, backward: weight gradients before the first result, a closing message behind the last")
  func sequentialBackward() {
    expect(
      .sequential, ranks: 2, isBackward: true,
      """
      send 1.0
      send 1.1
      await
      < arrived 1
      < arrived 1
      await
      < sent 1
      < sent 1
      compute 0 1 2 3
      finalize 0 1
      return 1.0
      return 1.1
      return 1.2
      await
      < returned 1
      < returned 1
      < returned 1
      await
      < sent 1
      < sent 1
      < sent 1
      finish
      """)
  }

  @Test("pairwise, forward: own rows under the first messages, a result only after all rows")
  func pairwiseForward() {
    expect(
      .pairwise, ranks: 3,
      """
      send 1.0
      compute 0
      await
      < arrived 2
      compute 2
      await
      < sent 1
      send 2.0
      await
      < sent 2
      await
      < arrived 1
      return 2.0
      compute 1
      await
      < returned 1
      await
      < sent 2
      return 1.0
      await
      < sent 1
      < returned 2
      finish
      """)
  }

  @Test("pairwise, forward, all rows gone: a result leaves before more is computed")
  func pairwiseResults() {
    expect(
      .pairwise, ranks: 3,
      """
      send 1.0
      < arrived 2
      < arrived 1
      compute 0
      < sent 1
      send 2.0
      < sent 2
      compute 2
      return 2.0
      compute 1
      await
      < sent 2
      await
      < returned 1
      return 1.0
      await
      < sent 1
      < returned 2
      finish
      """)
  }

  @Test("pairwise, backward, two ranks in one group")
  func pairwiseBackward() {
    expect(
      .pairwise, ranks: 2, isBackward: true, groupSize: 2,
      """
      send 1.0
      send 1.1
      await
      < arrived 1
      < sent 1
      await
      < arrived 1
      compute 0
      < sent 1
      compute 1
      compute 2
      compute 3
      return 1.0
      return 1.1
      return 1.2
      finalize 0
      finalize 1
      await
      < sent 1
      < sent 1
      < sent 1
      < returned 1
      < returned 1
      await
      < returned 1
      finish
      """)
  }

  @Test("eager, forward: remote rows before own ones, results at once")
  func eagerForward() {
    expect(
      .eager, ranks: 2,
      """
      send 1.0
      send 1.1
      compute 0
      < arrived 1
      compute 2
      return 1.0
      compute 1
      < returned 1
      await
      < arrived 1
      compute 3
      return 1.1
      await
      < returned 1
      await
      < sent 1
      < sent 1
      < sent 1
      < sent 1
      finish
      """)
  }

  @Test("eager, forward, a window of one message: the next rank's rows first")
  func eagerWindow() {
    expect(
      .eager, ranks: 3, window: SendWindow(total: 1, perPeer: 1),
      """
      send 1.0
      compute 0
      < arrived 2
      compute 2
      await
      < sent 1
      send 2.0
      await
      < arrived 1
      compute 1
      await
      < sent 2
      return 2.0
      await
      < returned 1
      < sent 2
      return 1.0
      await
      < sent 1
      await
      < returned 2
      finish
      """)
  }

  @Test("eager, backward: weight gradients while results travel")
  func eagerBackward() {
    expect(
      .eager, ranks: 2, isBackward: true, parallelism: 2,
      """
      send 1.0
      send 1.1
      compute 0 1
      await
      < arrived 1
      compute 2
      return 1.0
      await
      < arrived 1
      compute 3
      return 1.1
      return 1.2
      finalize 0 1
      await
      < returned 1
      < returned 1
      < returned 1
      < sent 1
      < sent 1
      < sent 1
      < sent 1
      await
      < sent 1
      finish
      """)
  }

  @Test("eager, forward: ready neighbours are computed as one")
  func eagerRuns() {
    expect(
      .eager, ranks: 2, runRows: 48,
      """
      send 1.0
      send 1.1
      < arrived 1
      < arrived 1
      compute 1-3
      return 1.0
      return 1.1
      compute 0
      await
      < returned 1
      < sent 1
      < sent 1
      < sent 1
      < sent 1
      await
      < returned 1
      finish
      """)
  }

  @Test("eager, forward, all at once where nothing travels")
  func eagerAlone() {
    expect(.eager, ranks: 1, "compute 0 1\nfinish")
  }

  @Test("eager, backward: gradients that go along a chain are made before other own rows are computed")
  func eagerTravelling() {
    let needs = Array(repeating: [ExchangeWork.Need](), count: 3)
    let work = ExchangeWork(
      rank: 0, dispatchChunks: [0, 0], arrivalChunks: [0, 0], returnChunks: [0, 0], resultChunks: [0, 1], needs: needs,
      feeds: needs.map { _ in [] }, taskExperts: [0, 1, 1], taskRows: [16, 16, 16], finalExperts: [0, 1, 1],
      travellingExperts: [1])
    let text = """
      compute 1
      compute 2
      finalize 1
      finalize 2
      compute 0
      finalize 0
      await
      < returned 1
      finish
      """
    let setting = ScheduleSetting(policy: .eager, window: SendWindow(), groupSize: 1, parallelism: 1)
    #expect(transcript(of: setting.schedule(work), along: text) == text)
  }

  private func expect(
    _ policy: SchedulePolicy, ranks: Int, isBackward: Bool = false, groupSize: Int = 1,
    window: SendWindow = SendWindow(), parallelism: Int = 1, runRows: Int = 16, _ text: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let plan = plan(ranks: ranks)
    let setting = ScheduleSetting(
      policy: policy, window: window, groupSize: groupSize, parallelism: parallelism, runRows: runRows)
    let work = isBackward ? plan.backwardWork(finalExperts: [LocalExpert(0), LocalExpert(0)]) : plan.forwardWork()
    #expect(transcript(of: setting.schedule(work), along: text) == text, sourceLocation: sourceLocation)
  }

  /// Rank 0's.
  private func plan(ranks: Int) -> ExchangePlan {
    let placement = ExpertPlacement(expertCount: ranks, rankCount: ranks)
    let experts = (0..<ranks).flatMap { Array(repeating: Int32($0), count: ranks == 3 ? 16 : 32) }
    let decision = RoutingDecision(
      expertsPerToken: 1, expertIDs: experts, gateWeights: experts.map { _ in 1 })
    let plans = placement.ranks.map { DispatchPlan(decision, placement: placement, rank: $0) }
    return ExchangePlan(
      dispatch: plans[0],
      received: ReceivePlan(plans.map { DispatchManifest($0, to: Rank(0), sequence: 0, hiddenSize: 1) }),
      chunkRows: 16, cut: TaskCut(largest: 16, smallest: 16))
  }

  /// What a schedule does when the events of a text happen where they stand there, to its first step off the text: from
  /// there on they would make no sense.
  private func transcript(of schedule: any ExchangeSchedule, along text: String) -> String {
    var schedule = schedule
    var lines: [String] = []
    for line in text.split(separator: "\n").map(String.init) {
      if let event = event(line) {
        schedule.note(event)
        lines.append(line)
      } else {
        let action = schedule.next()
        lines.append(action.description)
        if action.description != line { break }
        if case .compute(let runs) = action { schedule.note(.computed(runs.flatMap(\.self))) }
        if case .finalize(let tasks) = action { schedule.note(.finalized(tasks)) }
      }
    }
    return lines.joined(separator: "\n")
  }

  private func event(_ line: String) -> ScheduleEvent? {
    let words = line.split(separator: " ")
    guard words.count == 3, words[0] == "<", let peer = Int(words[2]) else { return nil }
    return words[1] == "arrived"
      ? .arrived(source: peer) : words[1] == "returned" ? .returned(peer: peer) : .sent(peer: peer)
  }
}
