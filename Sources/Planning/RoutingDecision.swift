package import Topology

/// Which experts each token of a rank's batch goes to, and with what weight.
///
/// T tokens, K experts per token. An *assignment* is one (token, choice) pair; its index is `token · K + choice`, and a
/// token's choices are in descending order of router probability, ties by the lower expert.
package struct RoutingDecision: Hashable, Sendable {
  package let tokenCount: Int
  package let expertsPerToken: Int
  /// The expert of each assignment. [T · K]
  package let expertIDs: [Int32]
  /// The weight of each assignment's result in its token's sum. [T · K]
  package let gateWeights: [Float]
  /// Whether each assignment has a slot; one without adds nothing, and its token passes through the residual. [T · K]
  package let isKept: [Bool]

  package init(expertsPerToken: Int, expertIDs: [Int32], gateWeights: [Float], isKept: [Bool]? = nil) {
    precondition(
      expertsPerToken > 0 && expertIDs.count % expertsPerToken == 0 && gateWeights.count == expertIDs.count,
      "\(expertIDs.count) experts and \(gateWeights.count) weights for \(expertsPerToken) a token")
    precondition(isKept == nil || isKept?.count == expertIDs.count, "one slot mark per assignment")
    self.expertsPerToken = expertsPerToken
    tokenCount = expertIDs.count / expertsPerToken
    self.expertIDs = expertIDs
    self.gateWeights = gateWeights
    self.isKept = isKept ?? Array(repeating: true, count: expertIDs.count)
  }

  package var assignmentCount: Int { expertIDs.count }

  package func expert(ofAssignment assignment: Int) -> GlobalExpert { GlobalExpert(Int(expertIDs[assignment])) }

  /// Rows each expert gets, dropped ones not counted. [E]
  package func rowCounts(expertCount: Int) -> [Int] {
    var counts = Array(repeating: 0, count: expertCount)
    for assignment in 0..<assignmentCount where isKept[assignment] { counts[Int(expertIDs[assignment])] += 1 }
    return counts
  }

  package var droppedCount: Int { isKept.count { !$0 } }
}
