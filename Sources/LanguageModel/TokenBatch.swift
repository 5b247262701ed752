import Planning
import Routing
package import Tensors

/// One rank's sequences of a micro-batch: possibly none, all of one length, never split over ranks.
package struct TokenBatch: Sendable {
  /// Token ids, sequence after sequence. [B·S]
  package let tokens: Buffer<Int32>
  package let sequenceCount: Int
  package let sequenceLength: Int
  /// The most tokens that any rank has in this micro-batch; the same number on all ranks.
  package let tokenLimit: Int

  package init(tokens: Buffer<Int32>, sequenceCount: Int, sequenceLength: Int, tokenLimit: Int) {
    precondition(
      tokens.count == sequenceCount * sequenceLength && tokens.count <= tokenLimit,
      "\(tokens.count) tokens in \(sequenceCount) sequences of \(sequenceLength), at most \(tokenLimit)")
    self.tokens = tokens
    self.sequenceCount = sequenceCount
    self.sequenceLength = sequenceLength
    self.tokenLimit = tokenLimit
  }

  package var tokenCount: Int { tokens.count }

  func limits(_ capacity: CapacityPolicy, topology: TopologyGate? = nil) -> RoutingLimits {
    RoutingLimits(
      capacity: capacity, sequenceLength: sequenceLength, tokenLimit: tokenLimit,
      topology: topology?.budget(tokenCount: tokenCount))
  }
}

/// What decides how many rows an expert gets and how long a message can be. All but the budget is the same on
/// all ranks.
struct RoutingLimits: Sendable {
  let capacity: CapacityPolicy
  /// Tokens that share an expert's capacity.
  let sequenceLength: Int
  /// The most tokens that any rank has.
  let tokenLimit: Int
  /// What may leave this rank's host; everything if nil.
  var topology: TopologyBudget?
}
