using Vireo.Drivers.Block;
using Vireo.Homes.Vhost.Vdpa;

namespace Vireo.GuestDriver;

/// <summary>A disk on the vDPA bus: written, read back, gone from and come to again.</summary>
internal static class DiskCheck
{
    private const int LengthBytes = 2 << 20;
    private const long OffsetBytes = 4 << 20;
    private const int Rounds = 3;

    public static string Run(string node)
    {
        byte[] written = new byte[LengthBytes];
        byte[] read = new byte[LengthBytes];
        string serial = "";
        for (int round = 0; round < Rounds; round++)
        {
            // Each round opens the device anew: the bus resets it, and what was written stays.
            using var disk = BlockDriver.Open(VhostVdpaProxy.Open(node));
            serial = disk.ReadSerial();
            disk.Read(OffsetBytes, read);
            if (round > 0 && !read.AsSpan().SequenceEqual(written))
            {
                throw new InvalidDataException($"what round {round - 1} wrote is not what round {round} reads");
            }

            new Random(round).NextBytes(written);
            disk.Write(OffsetBytes, written);
            disk.Flush();
            disk.Read(OffsetBytes, read);
            if (!read.AsSpan().SequenceEqual(written))
            {
                throw new InvalidDataException($"what round {round} wrote is not what it reads");
            }
        }

        return $"{Rounds} rounds of {LengthBytes} bytes on '{serial}', last {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(written))}";
    }
}
