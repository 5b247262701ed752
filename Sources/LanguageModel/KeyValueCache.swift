import Tensors

/// The keys (rotated) and values of one sequence's positions so far, for every layer.
///
/// A rank that owns no sequence has a cache of capacity 0.
package final class KeyValueCache {
  /// One layer's rows. [capacity, KV·h] each
  struct Layer {
    let keys: Tensor
    let values: Tensor
  }

  /// Positions there is room for.
  package let capacity: Int
  /// Positions that are filled.
  package internal(set) var count = 0
  let layers: [Layer]

  package init(_ configuration: ModelConfiguration, capacity: Int) {
    let width = configuration.keyValueHeadCount * configuration.headSize
    self.capacity = capacity
    layers = (0..<configuration.layerCount).map { _ in
      Layer(
        keys: Tensor(zeros: Shape(rows: capacity, columns: width)),
        values: Tensor(zeros: Shape(rows: capacity, columns: width)))
    }
  }
}
