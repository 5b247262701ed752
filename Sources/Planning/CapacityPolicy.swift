/// How many assignments an expert takes from a group of tokens.
///
/// The group is one sequence, so what is dropped does not depend on how sequences are spread over ranks, and slots are given
/// in order of token, then choice, so that no later token can take an earlier one's place (a causal model stays causal;
/// GShard's order, all first choices before any second, would not be).
package enum CapacityPolicy: Hashable, Sendable {
  /// Every assignment is computed (MegaBlocks).
  case dropless
  /// At most ⌈factor · K · S / E⌉ assignments per expert and sequence of S tokens.
  case limited(factor: Double)

  /// Slots per expert in a group of `tokenCount` tokens, or nil when there is no limit.
  package func slots(tokenCount: Int, expertsPerToken: Int, expertCount: Int) -> Int? {
    guard case .limited(let factor) = self else { return nil }
    // An expert cannot get more than one assignment of a token, so larger factors change nothing (and cannot overflow).
    let wanted = (factor * Double(expertsPerToken) * Double(tokenCount) / Double(expertCount)).rounded(.up)
    return Int(min(wanted, Double(tokenCount)))
  }

  /// Marks which assignments have a slot. [T · K]
  ///
  /// - Parameters:
  ///   - sequenceLength: tokens in a group; the last one may be shorter.
  ///   - offered: which assignments there are at all: the others get no slot and take none. All if nil.
  package func kept(
    expertIDs: [Int32], expertsPerToken: Int, expertCount: Int, sequenceLength: Int, offered: [Bool]? = nil
  ) -> [Bool] {
    var kept = offered ?? Array(repeating: true, count: expertIDs.count)
    guard case .limited = self, sequenceLength > 0 else { return kept }
    let groupSize = sequenceLength * expertsPerToken
    for start in stride(from: 0, to: expertIDs.count, by: groupSize) {
      let group = start..<min(start + groupSize, expertIDs.count)
      let slots = slots(
        tokenCount: group.count / expertsPerToken, expertsPerToken: expertsPerToken, expertCount: expertCount)
      var used = Array(repeating: 0, count: expertCount)
      for assignment in group where kept[assignment] {
        let expert = Int(expertIDs[assignment])
        kept[assignment] = used[expert] < slots ?? .max
        used[expert] += 1
      }
    }
    return kept
  }
}
