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
}

/// Exchanges reports; keeps the memory for it.
struct StepReportExchange {
  private static let fieldCount = 5

  private let own = Buffer<Double>(count: fieldCount)
  private let all: Buffer<Double>

  init(rankCount: Int) { all = Buffer(count: Self.fieldCount * rankCount) }

  /// The report of the whole job: losses added in rank order, times and memory those of the rank with most.
  func combine(_ report: StepReport, over world: any Communicator) throws(CommunicationError) -> StepReport {
    own[0] = report.lossSum
    own[1] = report.exchangeMilliseconds
    own[2] = report.exposedExchangeMilliseconds
    own[3] = Double(report.activationBytes)
    own[4] = report.expertMilliseconds
    try world.allGather(own, into: all)
    var result = StepReport()
    for rank in 0..<world.size {
      let fields = all[rank * Self.fieldCount..<(rank + 1) * Self.fieldCount]
      result.lossSum += fields[0]
      result.exchangeMilliseconds = max(result.exchangeMilliseconds, fields[1])
      result.exposedExchangeMilliseconds = max(result.exposedExchangeMilliseconds, fields[2])
      result.activationBytes = max(result.activationBytes, Int(fields[3]))
      result.expertMilliseconds = max(result.expertMilliseconds, fields[4])
    }
    return result
  }
}
