/// A view of consecutive elements in a block of memory. Copies share the elements; the block lives as long as any view.
///
/// What is `@usableFromInline` here is so that other modules get specialised, inlined element access: on a `package`
/// type, `@inlinable` alone has no effect across modules (Swift 6.3.1), and an access costs a generic call.
@usableFromInline package struct Buffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  @usableFromInline package let memory: Memory
  @usableFromInline package let pointer: UnsafeMutablePointer<Element>
  @usableFromInline package let count: Int

  /// A new block of `count` zeroed elements.
  package init(count: Int) {
    self.init(Memory(byteCount: count * MemoryLayout<Element>.stride), byteOffset: 0, count: count)
  }

  /// A view into an existing block.
  @inlinable package init(_ memory: Memory, byteOffset: Int, count: Int) {
    precondition(
      byteOffset >= 0 && count >= 0 && byteOffset + count * MemoryLayout<Element>.stride <= memory.byteCount,
      "\(count) elements at byte \(byteOffset) of a block of \(memory.byteCount) bytes")
    self.memory = memory
    self.count = count
    pointer = (memory.base + byteOffset).assumingMemoryBound(to: Element.self)
  }

  @usableFromInline init(_ memory: Memory, _ pointer: UnsafeMutablePointer<Element>, _ count: Int) {
    self.memory = memory
    self.pointer = pointer
    self.count = count
  }

  /// A new block holding the given elements.
  package init(_ elements: [Element]) {
    self.init(count: elements.count)
    copy(from: elements)
  }

  @inlinable package subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "element \(index) of \(count)")
      return pointer[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "element \(index) of \(count)")
      pointer[index] = newValue
    }
  }

  /// The same memory, narrowed to a range of its elements.
  @inlinable package subscript(range: Range<Int>) -> Buffer {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
    return Buffer(memory, pointer + range.lowerBound, range.count)
  }

  package var byteCount: Int { count * MemoryLayout<Element>.stride }

  /// The same bytes as elements of another type, at whose alignment they begin.
  package func reinterpreted<Other>(as type: Other.Type) -> Buffer<Other> {
    precondition(
      byteCount % MemoryLayout<Other>.stride == 0 && Int(bitPattern: pointer) % MemoryLayout<Other>.alignment == 0,
      "\(byteCount) bytes of \(Element.self) are no whole number of \(Other.self)")
    return Buffer<Other>(
      memory, byteOffset: UnsafeMutableRawPointer(pointer) - memory.base, count: byteCount / MemoryLayout<Other>.stride)
  }

  @inlinable package func fill(_ value: Element) { pointer.update(repeating: value, count: count) }

  package func copy(from other: Buffer) {
    precondition(count == other.count, "copy of \(other.count) elements into \(count)")
    UnsafeMutableRawPointer(pointer).copyMemory(from: other.pointer, byteCount: byteCount)
  }

  @inlinable package func copy(from elements: [Element]) {
    precondition(count == elements.count, "copy of \(elements.count) elements into \(count)")
    elements.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      pointer.update(from: base, count: count)
    }
  }

  /// The elements as an array.
  @inlinable package var elements: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  /// The bytes, for hashing and writing to files.
  package func withBytes<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(RawSpan(_unsafeStart: pointer, byteCount: byteCount))
  }

  /// The bytes, for reading from files.
  package func withMutableBytes<Result, Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var span = MutableRawSpan(_unsafeStart: pointer, byteCount: byteCount)
    return try body(&span)
  }
}
