using Microsoft.Win32.SafeHandles;

namespace Vireo.Core.Contract;

/// <summary>A signal that is an event descriptor: it can be handed on to the kernel or to another process.</summary>
/// <remarks>
/// What a proxy passes on. It is written as an 8-byte number, as eventfd asks; a pipe from a host without eventfd takes the same.
/// </remarks>
public interface IDescriptorSignal : ISignal
{
    /// <summary>The descriptor; stays the signal's, and open for as long as a queue uses the signal.</summary>
    SafeFileHandle Handle { get; }
}
