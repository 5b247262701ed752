package import Topology

/// What a rank tells a peer before the rows: how many there are and what each expert does with them.
///
/// It replaces an exchange of counts: it says how many rows follow, so neither padding nor a second message is needed.
/// On the wire it is a row of 32-bit words: the header, a count per expert, then four words per assignment.
package struct DispatchManifest: Hashable, Sendable {
  /// The number of the exchange, the same on all ranks: a message from another one is refused.
  package let sequence: Int32
  package let hiddenSize: Int32
  package let rowCount: Int
  package let returnRowCount: Int
  /// Assignments of each of the receiver's experts; in a rank's manifest to itself those of its shadows follow. [e]
  package let countsPerExpert: [Int]
  /// Ordered by (slot, token).
  package let assignments: ArraySlice<DispatchPlan.Assignment>

  private static let magic: Int32 = 0x5357_5944
  private static let headerCount = 6
  private static let wordsPerAssignment = 4

  package init(_ plan: DispatchPlan, to peer: Rank, sequence: Int32, hiddenSize: Int) {
    self.sequence = sequence
    self.hiddenSize = Int32(hiddenSize)
    rowCount = plan.rows(to: peer).count
    returnRowCount = plan.returnRowCounts[peer.index]
    countsPerExpert = plan.slots(of: peer).map { plan.assignmentCount(ofSlot: $0) }
    assignments = plan.assignments[plan.assignments(of: peer)]
  }

  /// The words of a manifest.
  package static func wordCount(assignmentCount: Int, hostedCount: Int) -> Int {
    headerCount + hostedCount + assignmentCount * wordsPerAssignment
  }

  /// The most words a manifest can have.
  package static func wordLimit(tokenCount: Int, expertsPerToken: Int, hostedCount: Int) -> Int {
    wordCount(assignmentCount: tokenCount * min(expertsPerToken, hostedCount), hostedCount: hostedCount)
  }

  package var words: [Int32] {
    var words: [Int32] = [
      Self.magic, sequence, hiddenSize, Int32(rowCount), Int32(returnRowCount), Int32(assignments.count),
    ]
    words.reserveCapacity(words.count + countsPerExpert.count + assignments.count * Self.wordsPerAssignment)
    for count in countsPerExpert { words.append(Int32(count)) }
    for assignment in assignments {
      words.append(assignment.index)
      words.append(assignment.row)
      words.append(assignment.returnRow)
      words.append(Int32(bitPattern: assignment.weight.bitPattern))
    }
    return words
  }
}

/// Why a manifest that came over the wire is not one.
package struct ManifestError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String
}

extension DispatchManifest {
  /// What a manifest that is passed on says of its size, trusting nothing.
  ///
  /// - Parameter tokenLimit: the most tokens that the sender can have.
  package static func counts(
    of words: ArraySlice<Int32>, tokenLimit: Int, expertsPerToken: Int
  ) throws(ManifestError) -> PairCounts {
    guard words.count >= headerCount, words[words.startIndex] == magic else {
      throw ManifestError(description: "\(words.count) words that are no manifest")
    }
    let (rows, returns, total) = (
      Int(words[words.startIndex + 3]), Int(words[words.startIndex + 4]), Int(words[words.startIndex + 5])
    )
    guard (0...tokenLimit).contains(rows), (0...tokenLimit * expertsPerToken).contains(total),
      (0...total).contains(returns)
    else { throw ManifestError(description: "\(rows) rows, \(returns) results, \(total) assignments") }
    return PairCounts(rows: rows, returnRows: returns, assignments: total)
  }

  /// Reads what a peer sent, trusting nothing: every index is checked against what the header says.
  ///
  /// - Parameter tokenLimit: the most tokens that the sender can have.
  package init(
    words: [Int32], sequence: Int32, hiddenSize: Int, hostedCount: Int, tokenLimit: Int
  ) throws(ManifestError) {
    guard words.count >= Self.headerCount + hostedCount, words[0] == Self.magic else {
      throw ManifestError(description: "\(words.count) words that are no manifest")
    }
    guard words[1] == sequence else {
      throw ManifestError(description: "exchange \(words[1]) where \(sequence) was expected")
    }
    guard words[2] == Int32(hiddenSize) else {
      throw ManifestError(description: "rows of \(words[2]) where \(hiddenSize) was expected")
    }
    let counts = words[Self.headerCount..<Self.headerCount + hostedCount].map(Int.init)
    let (rows, returns, total) = (Int(words[3]), Int(words[4]), Int(words[5]))
    guard (0...tokenLimit).contains(rows), counts.allSatisfy({ (0...tokenLimit).contains($0) }),
      counts.reduce(0, +) == total, (0...total).contains(returns),
      words.count == Self.headerCount + hostedCount + total * Self.wordsPerAssignment
    else { throw ManifestError(description: "counts \(counts) of \(rows) rows in \(words.count) words") }
    let body = words[(Self.headerCount + hostedCount)...]
    var assignments: [DispatchPlan.Assignment] = []
    assignments.reserveCapacity(total)
    for start in stride(from: body.startIndex, to: body.endIndex, by: Self.wordsPerAssignment) {
      let assignment = DispatchPlan.Assignment(
        index: body[start], row: body[start + 1], returnRow: body[start + 2],
        weight: Float(bitPattern: UInt32(bitPattern: body[start + 3])))
      guard (0..<rows).contains(Int(assignment.row)), (0..<returns).contains(Int(assignment.returnRow)),
        assignment.index >= 0
      else {
        throw ManifestError(description: "row \(assignment.row) of \(rows), \(assignment.returnRow) of \(returns)")
      }
      assignments.append(assignment)
    }
    self.sequence = sequence
    self.hiddenSize = Int32(hiddenSize)
    rowCount = rows
    returnRowCount = returns
    countsPerExpert = counts
    self.assignments = assignments[...]
  }
}
