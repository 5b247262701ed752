package import Tensors

extension Communicator {
  /// Starts replacing the elements by their sums over all ranks. See `PendingSum`.
  ///
  /// - Parameters:
  ///   - values: as many on every rank.
  ///   - scratch: at least `PendingSum.scratchCount(for:size:)` elements, of this sum alone until it is done.
  package func startSum<Element: Summable>(
    _ values: Buffer<Element>, scratch: Buffer<Element>
  ) throws(CommunicationError) -> PendingSum<Element> {
    try PendingSum(values, scratch: scratch, over: self)
  }

  /// Replaces the elements by their sums over all ranks, added in rank order: the same bits on every rank and in every run.
  ///
  /// The scratch is kept by the communicator and grows to the largest sum.
  package func sum<Element: Summable>(_ values: Buffer<Element>) throws(CommunicationError) {
    let scratch = collectives.staging(
      .sums, of: Element.self, count: PendingSum<Element>.scratchCount(for: values.count, size: size))
    try startSum(values, scratch: scratch).finish()
  }

  /// The sum of one value of every rank, added in rank order.
  package func sum<Element: Summable>(_ value: Element) throws(CommunicationError) -> Element {
    let values = collectives.staging(.value, of: Element.self, count: 1)
    values[0] = value
    try sum(values)
    return values[0]
  }
}
