import Communication
import Tensors

/// What each rank knows about a step, brought together on all ranks in one small message.
struct StepReport {
  /// Cross-entropy of the rank's predicted tokens, summed.
  var lossSum = 0.0
  var expertMilliseconds = 0.0
  var exchangeMilliseconds = 0.0
  var exposedExchangeMilliseconds = 0.0
  var activationBytes = 0
  /// Bytes sent to each rank since the job began; of the whole job, rank after rank. Empty where links are not measured.
  var sentByteCounts: [Int] = []
}

/// Exchanges reports; keeps the memory for it.
struct StepReportExchange {
  private static let fieldCount = 5

  let measuresLinks: Bool
  private let own: Buffer<Double>
  private let all: Buffer<Double>

  /// - Parameter measuresLinks: reports carry the bytes sent to each rank, the same on all ranks.
  init(rankCount: Int, measuresLinks: Bool) {
    self.measuresLinks = measuresLinks
    own = Buffer(count: Self.fieldCount + (measuresLinks ? rankCount : 0))
    all = Buffer(count: own.count * rankCount)
  }

  /// The report of the whole job: losses added in rank order, times and memory those of the rank with most.
  func combine(_ report: StepReport, over world: any Communicator) throws(CommunicationError) -> StepReport {
    own[0] = report.lossSum
    own[1] = report.exchangeMilliseconds
    own[2] = report.exposedExchangeMilliseconds
    own[3] = Double(report.activationBytes)
    own[4] = report.expertMilliseconds
    // Whole numbers below 2^53 are exact: eight petabytes on a link.
    for (rank, count) in report.sentByteCounts.enumerated() { own[Self.fieldCount + rank] = Double(count) }
    try world.allGather(own, into: all)
    var result = StepReport()
    for rank in 0..<world.size {
      let fields = all[rank * own.count..<(rank + 1) * own.count]
      result.lossSum += fields[0]
      result.exchangeMilliseconds = max(result.exchangeMilliseconds, fields[1])
      result.exposedExchangeMilliseconds = max(result.exposedExchangeMilliseconds, fields[2])
      result.activationBytes = max(result.activationBytes, Int(fields[3]))
      result.expertMilliseconds = max(result.expertMilliseconds, fields[4])
      result.sentByteCounts += (Self.fieldCount..<own.count).map { Int(fields[$0]) }
    }
    return result
  }
}
