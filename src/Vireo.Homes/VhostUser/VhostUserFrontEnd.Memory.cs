using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux;
using Vireo.Linux.Files;

namespace Vireo.Homes.VhostUser;

/// <content>Memory: the driver's, and the region for requests in flight.</content>
public sealed partial class VhostUserFrontEnd
{
    /// <summary>The most regions one table message holds.</summary>
    private const int TableRegionsMax = 8;

    /// <summary>A region for requests in flight is some KiB per queue; more than this is a lie.</summary>
    private const ulong InflightBytesMax = 256ul << 20;

    private static readonly int InflightBytes = Wire.SizeOf<InflightDescription>() + InflightDescription.PaddingBytes;

    /// <summary>The regions that the back-end has now, when they were sent one by one.</summary>
    private readonly List<MemoryRegion> _sent = [];

    /// <summary>Shares memory: the back-end maps it in place of what it had. No ring runs.</summary>
    /// <param name="memory">The memory; each region names its file.</param>
    /// <exception cref="DeviceException">
    /// The memory cannot be shared, has more regions than the back-end takes, or the back-end refuses or has gone.
    /// </exception>
    public void ShareMemory(GuestMemory memory)
    {
        ReadOnlySpan<MemoryRegion> regions = RegionsOf(memory);
        if (regions.Length > TableRegionsMax || _sent.Count > 0)
        {
            ShareOneByOne(regions);
        }
        else
        {
            ShareTable(regions);
        }
    }

    /// <summary>Asks for a region in which the back-end records requests in flight, so that they survive it.</summary>
    /// <param name="queueCount">How many queues there are.</param>
    /// <param name="queueSize">Size of the largest, in descriptors.</param>
    /// <returns>The region, the caller's; null when the back-end cannot do that.</returns>
    /// <exception cref="DeviceException">The back-end refuses, says nonsense, or has gone.</exception>
    internal VhostUserInflight? GetInflight(int queueCount, ushort queueSize)
    {
        if (!Uses(ProtocolFeature.InflightDescriptor))
        {
            return null;
        }

        InflightDescription wanted = new() { QueueCount = (ushort)queueCount, QueueSize = queueSize };
        Span<byte> request = stackalloc byte[InflightBytes];
        WriteInflight(request, wanted);
        SendOnly(FrontEndRequest.GetInflightDescriptor, request, [], needsReply: false);
        Message answer = Receive(FrontEndRequest.GetInflightDescriptor, descriptorsMax: 1);
        if (answer.Payload.Length != InflightBytes && answer.Payload.Length != Wire.SizeOf<InflightDescription>())
        {
            throw Lost($"the answer about requests in flight has {answer.Payload.Length} bytes");
        }

        InflightDescription given = Wire.Read<InflightDescription>(answer.Payload);
        if (given.LengthBytes == 0 || answer.DescriptorCount == 0)
        {
            throw new DeviceException("the back-end gave no region for requests in flight");
        }

        SafeFileHandle file = answer.TakeDescriptor(0);
        given.QueueCount = wanted.QueueCount;
        given.QueueSize = wanted.QueueSize;
        if (!IsWithin(file, given))
        {
            file.Dispose();
            throw Lost(
                $"its region for requests in flight, {given.LengthBytes} bytes at {given.FileOffset}, is not within the file it sent"
            );
        }

        return new(file, given);
    }

    /// <summary>Gives the back-end a region for requests in flight: a new one, or the one of a back-end that crashed.</summary>
    /// <exception cref="DeviceException">The back-end refuses, or has gone.</exception>
    internal void SetInflight(VhostUserInflight inflight)
    {
        Span<byte> request = stackalloc byte[InflightBytes];
        WriteInflight(request, inflight.Description);
        Send(FrontEndRequest.SetInflightDescriptor, request, [inflight.File]);
    }

    /// <summary>Writes a description as C programs do: with the padding behind it.</summary>
    private static void WriteInflight(Span<byte> destination, InflightDescription description)
    {
        destination.Clear();
        Wire.Write(destination, in description);
    }

    private static ReadOnlySpan<MemoryRegion> RegionsOf(GuestMemory memory)
    {
        if (memory is not MappedMemory mapped || mapped.Regions.IsEmpty)
        {
            throw new DeviceException("only memory that is mapped in regions can be shared with a back-end");
        }

        foreach (ref readonly MemoryRegion region in mapped.Regions)
        {
            if (region.Backing is null)
            {
                throw new DeviceException(
                    $"the memory at {region.Address} cannot be shared with a back-end: it is no mapping of a file"
                );
            }
        }

        return mapped.Regions;
    }

    private static bool IsWithin(SafeFileHandle file, InflightDescription given)
    {
        try
        {
            var status = FileStatus.Of(file);
            return given.LengthBytes <= InflightBytesMax
                && status.Kind == DescriptorKind.RegularFile
                && given.FileOffset <= (ulong)status.SizeBytes
                && given.LengthBytes <= (ulong)status.SizeBytes - given.FileOffset;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    /// <summary>What the back-end is told of a region. We have no user addresses to tell: the guest's do as names.</summary>
    private static MemoryRegionDescription Describe(in MemoryRegion region) =>
        new()
        {
            GuestAddress = region.Address.Value,
            LengthBytes = region.LengthBytes,
            UserAddress = region.Address.Value,
            FileOffset = region.Backing!.OffsetBytes,
        };

    private void ShareTable(ReadOnlySpan<MemoryRegion> regions)
    {
        int headerBytes = Wire.SizeOf<MemoryTableHeader>();
        int regionBytes = Wire.SizeOf<MemoryRegionDescription>();
        Span<byte> payload = stackalloc byte[headerBytes + regions.Length * regionBytes];
        var files = new SafeHandle[regions.Length];
        Wire.Write(payload, new MemoryTableHeader { Count = (uint)regions.Length });
        for (int index = 0; index < regions.Length; index++)
        {
            Wire.Write(payload[(headerBytes + index * regionBytes)..], Describe(in regions[index]));
            files[index] = regions[index].Backing!.File;
        }

        Send(FrontEndRequest.SetMemoryTable, payload, files);
    }

    private void ShareOneByOne(ReadOnlySpan<MemoryRegion> regions)
    {
        Require(ProtocolFeature.ConfigureMemorySlots, $"more than {TableRegionsMax} memory regions");
        ulong room = Ask(FrontEndRequest.GetMaxMemorySlots);
        if ((ulong)regions.Length > room)
        {
            throw new DeviceException($"the back-end takes {room} memory regions, and there are {regions.Length}");
        }

        foreach (MemoryRegion region in _sent)
        {
            SingleMemoryRegion message = new() { Region = Describe(in region) };
            Send(FrontEndRequest.RemoveMemoryRegion, Wire.Bytes(ref message), []);
        }

        _sent.Clear();
        foreach (ref readonly MemoryRegion region in regions)
        {
            SingleMemoryRegion message = new() { Region = Describe(in region) };
            Send(FrontEndRequest.AddMemoryRegion, Wire.Bytes(ref message), [region.Backing!.File]);
            _sent.Add(region);
        }
    }
}
