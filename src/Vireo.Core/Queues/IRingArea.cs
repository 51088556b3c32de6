namespace Vireo.Core.Queues;

/// <summary>An area of a ring in this process.</summary>
/// <remarks>
/// Queues are generic over the two kinds, so that the compiler makes one piece of code for each: a pointer and an offset where the
/// area lies in one piece, a look into a page table where it does not.
/// </remarks>
internal interface IRingArea
{
    /// <summary>A value in the area, in place.</summary>
    /// <param name="offset">Byte offset from the start of the area, a multiple of the size of <typeparamref name="T"/>.</param>
    ref T At<T>(int offset)
        where T : unmanaged;
}
