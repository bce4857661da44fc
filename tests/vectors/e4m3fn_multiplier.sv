// FP8 E4M3FN multiplier, round to nearest, ties to even; overflow gives NaN (OCP OFP8 non-saturating mode).
// Combinational; written from the format's definition: bias 7, S.1111.111 is NaN, no infinities.
module e4m3fn_multiplier (
    input  wire [7:0] a,
    input  wire [7:0] b,
    output reg  [7:0] z
);
    wire sign = a[7] ^ b[7];
    wire a_nan = &a[6:0];
    wire b_nan = &b[6:0];
    wire [3:0] a_sig = {|a[6:3], a[2:0]};
    wire [3:0] b_sig = {|b[6:3], b[2:0]};
    wire [7:0] product = a_sig * b_sig;
    // Exponent of bit 0 of the product: a subnormal has the exponent of field 1.
    wire signed [7:0] a_exp = (a[6:3] == 0) ? 8'sd1 : {4'd0, a[6:3]};
    wire signed [7:0] b_exp = (b[6:3] == 0) ? 8'sd1 : {4'd0, b[6:3]};

    integer top, field, shift;
    reg [23:0] wide;
    reg [7:0] kept;
    reg guard, sticky;

    always @* begin
        top = 0;
        for (integer i = 0; i < 8; i = i + 1) if (product[i]) top = i;
        // The product is 1.f * 2**(top - 6 + a_exp - 7 + b_exp - 7): this is its biased exponent.
        field = top - 6 + a_exp + b_exp - 7;
        // Bits to drop so that 4 significant ones stay, more where the result is subnormal.
        shift = (field >= 1) ? top - 3 : top - 3 + (1 - field);
        if (shift > 12) shift = 12;
        wide = {8'd0, product, 8'd0};  // a negative shift drops zeros, a large one keeps zeros
        kept = wide >> (shift + 8);
        guard = wide[shift + 7];
        sticky = 1'b0;
        for (integer i = 0; i < 24; i = i + 1) if (i < shift + 7 && wide[i]) sticky = 1'b1;
        // Field and significand together: a carry of the rounding moves into the exponent by itself.
        if (field >= 1) kept = kept - 8;
        else field = 0;
        field = field * 8 + kept + ((guard && (sticky || kept[0])) ? 1 : 0);
        if (a_nan || b_nan) z = 8'h7f;
        else if (product == 0) z = {sign, 7'd0};
        else if (field > 126) z = 8'h7f;
        else z = {sign, field[6:0]};
    end
endmodule
