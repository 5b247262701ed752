package import Kernels
package import Tensors

extension ParameterBuffer {
  /// Elements of one task of initialisation.
  private static let blockSize = 1 << 14

  /// Fills the buffer with the weights of an untrained model: norms are 1, all else normal(0, `initializerRange`).
  ///
  /// Element i of a tensor is number i of the random stream with the tensor's name, so a parameter's first value depends
  /// on the seed alone, not on which rank holds it or how many ranks there are. A counter gives four numbers.
  package func initialize(_ configuration: ModelConfiguration, seed: UInt64, workers: WorkerPool) {
    let deviation = configuration.initializerRange
    for slot in layout.slots {
      let values = values[slot.range]
      // Norms are the only parameters that are vectors.
      guard slot.shape.rank > 1 else {
        values.fill(1)
        continue
      }
      let random = CounterRandom(seed: seed, stream: slot.name)
      workers.run((values.count + Self.blockSize - 1) / Self.blockSize) { block, _ in
        let elements = block * Self.blockSize..<min((block + 1) * Self.blockSize, values.count)
        for first in stride(from: elements.lowerBound, to: elements.upperBound, by: 4) {
          let normals = deviation * random.normals(UInt64(first / 4))
          for index in first..<min(first + 4, elements.upperBound) { values[index] = normals[index - first] }
        }
      }
    }
  }
}
