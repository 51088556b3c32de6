using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Files;

namespace Vireo.Tests.Linux;

/// <summary>A pipe whose ends can be taken as ordinary descriptors.</summary>
internal sealed class Pipe : IDisposable
{
    private readonly AnonymousPipeServerStream _reader = new(PipeDirection.In);

    public SafeFileHandle TakeReader() => Take(_reader.SafePipeHandle);

    public SafeFileHandle TakeWriter() => Take(_reader.ClientSafePipeHandle);

    public void Dispose() => _reader.Dispose();

    private static SafeFileHandle Take(SafePipeHandle handle)
    {
        SafeFileHandle copy = DescriptorFlags.Duplicate(handle);
        handle.Dispose();
        return copy;
    }
}
