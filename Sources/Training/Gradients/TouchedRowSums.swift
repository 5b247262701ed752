import Communication
import LanguageModel
import Tensors

/// The sum over ranks of the gradient of an embedding table of which a batch touches few rows.
///
/// A row has a gradient if its token occurs in the batch, on any rank; the others are zero everywhere. So the ranks tell
/// each other which rows they have touched, pack the union's U of V rows, sum those, and put the totals back: with D
/// columns on P ranks each rank sends 2·U·D·(P − 1)/P elements instead of 2·V·D·(P − 1)/P, and V/8 bytes to each
/// peer. The rows are added in rank order, as the whole table's would be: the bits are the same.
final class TouchedRowSums {
  private let table: Tensor
  private let bucketSize: Int
  private let group: any Communicator
  private let queue: SumQueue
  /// What this rank has touched since the last sum.
  private let touched: RowSet
  /// The words of every rank's set.
  private let everyones: Buffer<UInt64>
  /// The rows that travel, and their gradients one after another.
  private var rows: [Int] = []
  private let packed: Buffer<Float>
  private var hasStarted = false

  /// - Parameters:
  ///   - table: the gradient [V, D].
  ///   - mostTokens: tokens of a batch, over all ranks.
  ///   - bucketSize: elements that are summed together.
  init(_ table: Tensor, mostTokens: Int, bucketSize: Int, over group: any Communicator) {
    self.table = table
    self.bucketSize = bucketSize
    self.group = group
    touched = RowSet(rowCount: table.rows)
    everyones = Buffer(count: touched.words.count * group.size)
    packed = Buffer(count: min(table.rows, mostTokens) * table.columns)
    queue = SumQueue(
      largest: min(bucketSize, packed.count), count: (packed.count + bucketSize - 1) / bucketSize, over: group)
  }

  /// Takes note of tokens whose rows get a gradient on this rank.
  func touch(_ tokens: Buffer<Int32>) {
    for place in 0..<tokens.count { touched.insert(Int(tokens[place])) }
  }

  /// Agrees with the other ranks on the rows that will travel. Every rank calls it, when it has touched all of its rows.
  func begin() throws(CommunicationError) {
    precondition(queue.isEmpty, "sums of embedding gradients are still in flight")
    try group.allGather(touched.words, into: everyones)
    rows = touched.rows(ofAny: everyones)
    precondition(
      rows.count * table.columns <= packed.count, "\(rows.count) rows of an embedding table for fewer tokens")
    touched.clear()
    hasStarted = false
  }

  /// Takes note that the gradient is final on this rank, and starts its sum.
  func finish() throws(CommunicationError) {
    precondition(!hasStarted, "the gradient of an embedding table reported twice")
    hasStarted = true
    for (place, row) in rows.enumerated() { packedRow(place).copy(from: tableRow(row)) }
    let count = rows.count * table.columns
    for start in stride(from: 0, to: count, by: bucketSize) {
      queue.append(packed[start..<min(start + bucketSize, count)])
    }
    try queue.advance()
  }

  /// Moves messages without waiting.
  func advance() throws(CommunicationError) { try queue.advance() }

  /// Waits for the totals and puts them into the table.
  func complete() throws(CommunicationError) {
    precondition(hasStarted, "backward ended without finishing the embedding table's gradient")
    try queue.complete()
    for (place, row) in rows.enumerated() { tableRow(row).copy(from: packedRow(place)) }
  }

  private func tableRow(_ row: Int) -> Buffer<Float> { table[rows: row..<row + 1].buffer }

  private func packedRow(_ place: Int) -> Buffer<Float> {
    packed[place * table.columns..<(place + 1) * table.columns]
  }
}
