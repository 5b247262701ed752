/// Where one named tensor lies in a parameter buffer.
package struct ParameterSlot: Hashable, Sendable {
  package let name: String
  package let shape: Shape
  package let range: Range<Int>
}

/// Which parameters a rank holds and where: the replicated ones first, the experts it hosts last.
///
/// Weights, gradients and both optimizer moments are buffers of one layout, so gradient synchronisation is a reduction of
/// `0 ..< replicatedCount`, the optimizer one loop and a checkpoint one walk. Every tensor, or run of tensors added
/// together, starts on a cache line; the padding between them stays zero.
package struct ParameterLayout: Hashable, Sendable {
  package private(set) var slots: [ParameterSlot] = []
  /// Elements in the buffer, padding included.
  package private(set) var count = 0
  /// Elements before the first expert's.
  package private(set) var replicatedCount = 0
  private var indexByName: [String: Int] = [:]

  private static let alignment = 16

  package init() {}

  /// Adds tensors that must lie directly one after another, so that they can be read as one matrix.
  package mutating func add(_ tensors: [(name: String, shape: Shape)], isReplicated: Bool) {
    precondition(!isReplicated || count == replicatedCount, "replicated parameters come before the experts")
    for (name, shape) in tensors {
      precondition(indexByName[name] == nil, "parameter \(name) twice")
      indexByName[name] = slots.count
      slots.append(ParameterSlot(name: name, shape: shape, range: count..<count + shape.elementCount))
      count += shape.elementCount
    }
    count = (count + Self.alignment - 1) / Self.alignment * Self.alignment
    if isReplicated { replicatedCount = count }
  }

  package mutating func add(_ name: String, _ shape: Shape, isReplicated: Bool) {
    add([(name, shape)], isReplicated: isReplicated)
  }

  package func slot(_ name: String) -> ParameterSlot {
    guard let index = indexByName[name] else { preconditionFailure("no parameter \(name)") }
    return slots[index]
  }

  package func contains(_ name: String) -> Bool { indexByName[name] != nil }
  package func isReplicated(_ slot: ParameterSlot) -> Bool { slot.range.upperBound <= replicatedCount }

  /// The elements of tensors that lie one after another.
  package func range(from first: String, through last: String) -> Range<Int> {
    slot(first).range.lowerBound..<slot(last).range.upperBound
  }
}

/// One value for every parameter of a layout: the weights, their gradients or a moment of the optimizer.
package struct ParameterBuffer: Sendable {
  package let layout: ParameterLayout
  package let values: Buffer<Float>

  package init(zeros layout: ParameterLayout) {
    self.layout = layout
    values = Buffer(count: layout.count)
  }

  /// The same memory with other names for its parts.
  package init(_ buffer: ParameterBuffer, relaid layout: ParameterLayout) {
    precondition(layout.count == buffer.layout.count, "\(layout.count) elements for \(buffer.layout.count)")
    self.layout = layout
    values = buffer.values
  }

  package subscript(name: String) -> Tensor { self[layout.slot(name)] }

  package subscript(slot: ParameterSlot) -> Tensor { Tensor(values[slot.range], shape: slot.shape) }

  /// Several tensors that lie one after another, read as one matrix.
  package func joined(from first: String, through last: String, columns: Int) -> Tensor {
    let range = layout.range(from: first, through: last)
    return Tensor(values[range], shape: Shape(rows: range.count / columns, columns: columns))
  }
}
